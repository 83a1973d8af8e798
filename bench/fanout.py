"""From an acknowledged withdrawal to the downstream that must obey it, against two JetStream hops with one insert.

- Ours: consent service, outbox, LEDGER, notifier, obligation committed, ENFORCE, the client library's handler; all
  services in one embedded process, as by default.
- A steady 50 withdrawals a second, of people whose grant stands.
"""

import json
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import count

from bench import deployment
from bench.deployment import Served
from bench.figures import median, median_ratio, rounds
from bench.processes import run
from bench.stand import Stand
from bench.withdrawals import WARM

EVERY_MS = 20


def measure(stand: Stand) -> None:
    """The figures `fanout.*`."""
    withdrawals = 150 if stand.quick else 500
    with deployment.service(stand.folder / "fanout", names=("consent", "notifier")) as served:
        stand.say("fan-out of withdrawals")
        deployment.populate(served, stand.few_rounds * (withdrawals + WARM))
        turn = count()
        candidates: dict[str, Callable[[], dict[str, float]]] = {
            "ours": lambda: _withdraw(served, next(turn), withdrawals),
            "floor": partial(_hop, stand, withdrawals),
        }
        found = rounds(stand.few_rounds, candidates)
    for name in ("p50", "p99"):
        values = {who: [outcome[name] for outcome in outcomes] for who, outcomes in found.items()}
        stand.figures.put(f"fanout.{name}.ratio", median_ratio(values["ours"], values["floor"]))
        stand.figures.put(f"fanout.{name}_ms", median(values["ours"]))
        stand.figures.put(f"fanout.floor.{name}_ms", median(values["floor"]))


def _withdraw(served: Served, turn: int, withdrawals: int) -> dict[str, float]:
    job = {
        "address": served.address,
        "login": json.loads((served.folder / "data" / "nats.json").read_text()),
        "first": turn * (withdrawals + WARM),
        "count": withdrawals,
        "every_ms": EVERY_MS,
    }
    return run("bench.withdrawals", job)


def _hop(stand: Stand, withdrawals: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=stand.folder) as folder:
        return run("bench.hops", {"folder": folder, "count": withdrawals, "every_ms": EVERY_MS})
