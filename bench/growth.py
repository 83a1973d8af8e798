"""What a check costs as the ledger grows: 64 in flight and 1, random people, 10³ against 10⁵ and 10⁶.

- Identifiers are not remembered (CONSENTLEDGER_INDEX_MEMORY=0): every check looks the person up in the key store.
- `growth.<store>.<size>.ratio` is the rate with a thousand people over the rate with that many: 1.2 means that a check
  takes a fifth longer. `growth.<size>.ratio` is the worse store's.
"""

import contextlib
from functools import partial

from bench.check import ALLOWED
from bench.figures import median, median_ratio, rounds
from bench.prepared import NAMES, SMALL
from bench.stand import Load, Stand

STORES = ("sqlite", "postgresql")


def measure(stand: Stand) -> None:
    """The figures `growth.*`."""
    for store in STORES:
        _one_store(stand, store)
    for name in NAMES.values():
        found = [v for store in STORES if (v := stand.figures.get(f"growth.{store}.{name}.ratio")) is not None]
        if found:
            stand.figures.put(f"growth.{name}.ratio", max(found))


def _one_store(stand: Stand, store: str) -> None:
    sizes = [ledger for ledger in stand.ledgers if ledger.store == store]
    stand.say(f"{store}: CheckConsent with up to {sizes[-1].people:,} people, identifiers not remembered")
    with contextlib.ExitStack() as stack:
        served = {one.people: stack.enter_context(stand.serving(one, index_memory=0)) for one in sizes}
        loads = {people: Load.of(one) for people, one in served.items()}
        found = {}
        for in_flight in (64, 1):
            candidates = {
                str(people): partial(load, "CheckConsent", in_flight, stand.seconds, people=people, expect=ALLOWED)
                for people, load in loads.items()
            }
            found[in_flight] = rounds(stand.rounds, candidates)
        for people, one in served.items():
            name, key = f"growth.{store}.{NAMES[people]}", str(people)
            rates = [m.per_second for m in found[64][key]]
            stand.figures.put(f"{name}.per_second", median(rates))
            stand.figures.put(f"{name}.unloaded_p50_ms", median(m.p50 for m in found[1][key]))
            stand.figures.put(f"{name}.server_cpu_us", median(m.cpu_us["server"] for m in found[64][key]))
            stand.figures.put(f"{name}.rss_mb", one.server.rss_mb())
            if people != SMALL:
                small = found[64][str(SMALL)]
                stand.figures.put(f"{name}.ratio", median_ratio([m.per_second for m in small], rates))
                small_cpu = [m.cpu_us["server"] for m in small]
                cpu = median_ratio([m.cpu_us["server"] for m in found[64][key]], small_cpu)
                stand.figures.put(f"{name}.cpu.ratio", cpu)
                p50 = median_ratio([m.p50 for m in found[1][key]], [m.p50 for m in found[1][str(SMALL)]])
                stand.figures.put(f"{name}.unloaded_p50.ratio", p50)
