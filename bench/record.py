"""RecordConsent against the echo, at 1, 16, 64 and 256 callers (quick: 1 and 64), on both stores.

- `record.<store>.…`: people who are in the ledger choose again: one event each call.
- `record.<store>.first.…`: people never seen: index, key and two events each call, 64 callers.
- Every call has a request id of its own and is durable when it is answered.
- Ours includes carrying each event to JetStream, which syncs too, on the same machine at the same time.
"""

from functools import partial

from bench.check import put_measured
from bench.figures import median_ratio, rounds
from bench.stand import PEOPLE, Load, Measured, Stand

CALLERS = (1, 16, 64, 256)
FEW_CALLERS = (1, 64)
MAIN = 64
"""The number of callers that the figure without a number is about."""
STATES = "0a"
"""The answer begins with a state."""
NEVER_SEEN = 100_000_000


def measure(stand: Stand) -> None:
    """The figures `record.*`."""
    address, meter = stand.echo
    servers = {"echo": Load(address, meter), "sqlite": Load.of(stand.sqlite), "postgresql": Load.of(stand.postgresql)}
    for callers in FEW_CALLERS if stand.quick else CALLERS:
        stand.say(f"RecordConsent, {callers} callers")
        found = rounds(
            stand.rounds,
            {
                name: partial(load, "RecordConsent", callers, stand.seconds, people=PEOPLE, expect=STATES)
                for name, load in servers.items()
            },
        )
        rates = {name: [m.per_second for m in measured] for name, measured in found.items()}
        for name in servers:
            put_measured(stand.figures, f"record.{name}.{callers}", found[name])
            if name != "echo":
                ratio = median_ratio(rates[name], rates["echo"])
                stand.figures.put(f"record.{name}.{callers}.ratio", ratio)
                if callers == MAIN:
                    stand.figures.put(f"record.{name}.ratio", ratio)
    stand.say(f"RecordConsent by people never seen, {MAIN} callers")
    unused = iter(range(NEVER_SEEN, 900_000_000, 40_000_000))

    def first_time(load: Load) -> Measured:
        return load("RecordConsent", MAIN, stand.seconds, people=0, first=next(unused), expect=STATES)

    found = rounds(stand.rounds, {name: partial(first_time, load) for name, load in servers.items()})
    for name in ("sqlite", "postgresql"):
        rates_of = [m.per_second for m in found[name]]
        ratio = median_ratio(rates_of, [m.per_second for m in found["echo"]])
        stand.figures.put(f"record.{name}.first.ratio", ratio)
        put_measured(stand.figures, f"record.{name}.first", found[name])
