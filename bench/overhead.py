"""What the transparency log costs RecordConsent: the same service with it and without it, in turn, on both stores.

- `ledger.overhead`: 1 − with / without, in records a second at 64 callers, the worse of the two stores.
- `receipts.<store>.latency.ratio`: the median latency of one caller who wants a receipt, to that of one who does not.
"""

import contextlib
from collections.abc import Sequence
from functools import partial

from bench import deployment
from bench.deployment import Served
from bench.figures import median, median_ratio, rounds
from bench.stand import PEOPLE, Load, Stand

CALLERS = 64
STATES = "0a"
WITHOUT: Sequence[str] = ("-m", "bench.treeless")


def measure(stand: Stand) -> None:
    """The figures `ledger.*` and `receipts.*`."""
    worst = []
    with contextlib.ExitStack() as stack:
        for served, database in ((stand.sqlite, None), (stand.postgresql, stand.database)):
            place = stand.folder / f"treeless-{served.name}"
            bare = stack.enter_context(deployment.service(place, database, program=WITHOUT))
            deployment.populate(bare, PEOPLE)
            stand.say(f"RecordConsent with and without the tree, {served.name}")
            worst.append(_overhead(stand, served, bare))
            stand.figures.put(f"ledger.{served.name}.overhead", worst[-1])
            _receipts(stand, served)
    stand.figures.put("ledger.overhead", max(worst))


def _overhead(stand: Stand, served: Served, bare: Served) -> float:
    found = rounds(
        stand.rounds + 2,
        {
            name: partial(Load.of(one), "RecordConsent", CALLERS, stand.seconds, people=PEOPLE, expect=STATES)
            for name, one in (("with", served), ("without", bare))
        },
    )
    for name, measured in found.items():
        stand.figures.put(f"ledger.{served.name}.{name}.per_second", median(m.per_second for m in measured))
        stand.figures.put(f"ledger.{served.name}.{name}.server_cpu_us", median(m.cpu_us["server"] for m in measured))
    rates = {name: [m.per_second for m in measured] for name, measured in found.items()}
    return 1 - median_ratio(rates["with"], rates["without"])


def _receipts(stand: Stand, served: Served) -> None:
    load = Load.of(served)
    found = rounds(
        stand.rounds,
        {
            method: partial(load, method, 1, stand.seconds, people=PEOPLE, expect=STATES)
            for method in ("RecordConsent", "RecordConsent+receipt")
        },
    )
    ratio = median_ratio([m.p50 for m in found["RecordConsent+receipt"]], [m.p50 for m in found["RecordConsent"]])
    stand.figures.put(f"receipts.{served.name}.latency.ratio", ratio)
