"""BatchCheckConsent with 1,000 different people a call, two calls in flight, on both stores.

There is no floor but our own single checks: the figure is checks a second, and how many times the single check's rate
that is.
"""

from functools import partial

from bench.deployment import Served
from bench.figures import median, rounds
from bench.processes import run
from bench.stand import PEOPLE, Stand

ITEMS = 1_000


def measure(stand: Stand) -> None:
    """The figures `batch.*`."""
    stand.say(f"BatchCheckConsent, {ITEMS:,} people a call")
    stores = (stand.sqlite, stand.postgresql)
    found = rounds(stand.few_rounds, {served.name: partial(_batch, served, stand.seconds) for served in stores})
    for name, outcomes in found.items():
        for key in ("per_second", "p50_ms", "p99_ms", "server_cpu_us", "database_cpu_us"):
            stand.figures.put(f"batch.{name}.{key}", median(o[key] for o in outcomes))
        if single := stand.figures.get(f"check.{name}.per_second"):
            stand.figures.put(f"batch.{name}.to_single", median(o["per_second"] for o in outcomes) / single)
    best = max(median(o["per_second"] for o in outcomes) for outcomes in found.values())
    stand.figures.put("batch.checks_per_second", best)


def _batch(served: Served, seconds: float) -> dict[str, float]:
    job = {"address": served.address, "items": ITEMS, "in_flight": 2, "seconds": seconds, "people": PEOPLE}
    before = served.server.seconds(), served.database.seconds()
    outcome = run("bench.batches", job)
    server, database = served.server.seconds() - before[0], served.database.seconds() - before[1]
    return {
        "per_second": outcome["per_second"],
        "p50_ms": outcome["p50"],
        "p99_ms": outcome["p99"],
        "server_cpu_us": 1e6 * server / outcome["checks"],
        "database_cpu_us": 1e6 * database / outcome["checks"],
    }
