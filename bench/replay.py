"""ReplayEvents of a whole log against reading the same rows from the store by a plain driver, on both stores.

The log is that of 10⁵ people, more than 200,000 events. `replay.ratio` is the worse store's.
"""

from functools import partial

from bench.deployment import Served
from bench.figures import median, median_ratio, rounds
from bench.prepared import MEDIUM
from bench.processes import Failed, run
from bench.stand import Stand


def measure(stand: Stand) -> None:
    """The figures `replay.*`."""
    ratios = []
    for ledger in stand.ledgers:
        if ledger.people == MEDIUM:
            with stand.serving(ledger) as served:
                ratios.append(_one_store(stand, served))
    stand.figures.put("replay.ratio", min(ratios))


def _one_store(stand: Stand, served: Served) -> float:
    stand.say(f"{served.name}: ReplayEvents of the log of {MEDIUM:,} people")
    ours, floor = {"how": "replay", "address": served.address}, {"how": "rows", "url": served.store_url}
    before = served.server.seconds()
    found = rounds(
        stand.few_rounds, {"replay": partial(run, "bench.drain", ours), "rows": partial(run, "bench.drain", floor)}
    )
    cpu = served.server.seconds() - before
    events = {outcome["events"] for outcomes in found.values() for outcome in outcomes}
    if len(events) != 1 or not events:
        raise Failed("the replay and the rows differ in number")
    rates = {how: [o["per_second"] for o in outcomes] for how, outcomes in found.items()}
    ratio = median_ratio(rates["replay"], rates["rows"])
    name = f"replay.{served.name}"
    stand.figures.put(f"{name}.ratio", ratio)
    stand.figures.put(f"{name}.per_second", median(rates["replay"]))
    stand.figures.put(f"{name}.rows.per_second", median(rates["rows"]))
    stand.figures.put(f"{name}.client_cpu_us", median(o["cpu_us"] for o in found["replay"]))
    stand.figures.put(f"{name}.server_cpu_us", 1e6 * cpu / (stand.few_rounds * events.pop()))
    return ratio
