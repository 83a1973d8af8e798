"""Exports against reading the rows, the offline verifier on one, and inclusion proofs: what an auditor waits for.

- `export.ratio` is the worse store's: ExportLog into a file, against the same rows read by a plain driver.
- The verifier reads an export with ciphertexts, on one core. `verify.peak_rss_mb` is that of its process.
- The log is that of 10⁵ people, more than 200,000 events; in a long run, a million events of that of 10⁶.
"""

from functools import partial
from pathlib import Path

from bench.deployment import Served
from bench.figures import median, median_ratio, rounds
from bench.prepared import LARGE, MEDIUM
from bench.processes import Failed, run
from bench.stand import Stand

PROOFS = 5_000
LONG = 1_000_000


def measure(stand: Stand) -> None:
    """The figures `export.*`, `verify.*` and `proofs.*`."""
    out = stand.folder / "export.jsonl"
    ratios = []
    for ledger in stand.ledgers:
        if ledger.people == MEDIUM:
            with stand.serving(ledger) as served:
                ratios.append(_export(stand, served, out))
    stand.figures.put("export.ratio", min(ratios))
    subject = next(
        one for one in stand.ledgers if (one.store, one.people) == ("sqlite", MEDIUM if stand.quick else LARGE)
    )
    stand.say(f"inclusion proofs and the offline verifier on the log of {subject.people:,} people")
    proved = run("bench.audit", {"how": "prove", "data": str(subject.place / "data"), "proofs": PROOFS}, seconds=600)
    stand.figures.put("proofs.per_second", proved["per_second"])
    stand.figures.put("proofs.first_seconds", proved["first_seconds"])
    with stand.serving(subject) as served:
        job = {"how": "ask", "address": served.address, "size": proved["size"], "proofs": PROOFS}
        stand.figures.put("proofs.grpc.per_second", run("bench.audit", job, seconds=600)["per_second"])
        last = 0 if stand.quick else min(LONG, int(proved["size"]))
        run(
            "bench.transcribe",
            {"address": served.address, "out": str(out), "ciphertexts": True, "last": last},
            seconds=900,
        )
    checked = [run("bench.audit", {"how": "verify", "file": str(out)}, seconds=900) for _ in range(stand.few_rounds)]
    out.unlink()
    stand.figures.put("verify.events_per_second", median(one["per_second"] for one in checked))
    stand.figures.put("verify.events_per_cpu_second", median(one["per_cpu_second"] for one in checked))
    stand.figures.put("verify.events", checked[0]["events"])
    stand.figures.put("verify.peak_rss_mb", max(one["rss_mb"] for one in checked))


def _export(stand: Stand, served: Served, out: Path) -> float:
    stand.say(f"{served.name}: ExportLog of the log of {MEDIUM:,} people")
    ours = {"address": served.address, "out": str(out), "ciphertexts": False, "last": 0}
    before = served.server.seconds()
    found = rounds(
        stand.few_rounds,
        {
            "export": partial(run, "bench.transcribe", ours),
            "rows": partial(run, "bench.drain", {"how": "rows", "url": served.store_url}),
        },
    )
    cpu = served.server.seconds() - before
    events = {outcome["events"] for outcomes in found.values() for outcome in outcomes}
    if len(events) != 1:
        raise Failed("the export and the rows differ in number")
    rates = {how: [o["per_second"] for o in outcomes] for how, outcomes in found.items()}
    name = f"export.{served.name}"
    ratio = median_ratio(rates["export"], rates["rows"])
    stand.figures.put(f"{name}.ratio", ratio)
    stand.figures.put(f"{name}.per_second", median(rates["export"]))
    stand.figures.put(f"{name}.rows.per_second", median(rates["rows"]))
    stand.figures.put(f"{name}.client_cpu_us", median(o["cpu_us"] for o in found["export"]))
    stand.figures.put(f"{name}.server_cpu_us", 1e6 * cpu / (stand.few_rounds * events.pop()))
    return ratio
