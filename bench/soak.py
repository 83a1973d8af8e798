"""`python -m bench.soak [--minutes 30]`: half of what the ledger can take, for long; memory and files must not grow.

- One embedded process (SQLite, nats-server of its own), as most people will run it.
- Checks, choices and withdrawals together, each at half the rate that they reach together at full speed just before.
- Every few seconds the service's resident memory and open file descriptors are read.
- It fails when the memory's slope over the last two thirds is above `MAX_SLOPE_MB`, or when the median of open files
  in the last third is more than `MAX_MORE_FILES` above the middle third's, or when any call is refused.

The first third is for caches to fill: identifiers (200,000) and aggregates (20,000) are remembered up to a bound. In
a run shorter than ten minutes the bound on the slope is doubled, because the noise of one sample weighs more.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console

from bench import deployment
from bench.deployment import Served
from bench.load import Job
from bench.processes import ROOT, Failed

MAX_SLOPE_MB = 10.0
"""Per 10 minutes."""
MAX_MORE_FILES = 4
PEOPLE = 2_000
IN_FLIGHT = {"CheckConsent": 32, "RecordConsent": 8, "WithdrawConsent": 4}
EXPECT = {"CheckConsent": "08", "RecordConsent": "0a", "WithdrawConsent": "0a"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the service."""

    minute: float
    rss_mb: float
    files: int


def slope(samples: Sequence[Sample]) -> float:
    """The slope of the memory by least squares, in MB per 10 minutes."""
    minutes = [s.minute for s in samples]
    return 10 * statistics.linear_regression(minutes, [s.rss_mb for s in samples]).slope


def verdict(samples: Sequence[Sample], minutes: float) -> list[str]:
    """What is wrong; nothing, if all is well."""
    third = len(samples) // 3
    if third < 3:
        return ["too few samples: run for longer"]
    bound = MAX_SLOPE_MB * (2 if minutes < 10 else 1)
    wrong = []
    if (found := slope(samples[third:])) > bound:
        wrong.append(f"memory grows by {found:.1f} MB in 10 minutes, more than {bound:.0f}")
    before = statistics.median(s.files for s in samples[third : 2 * third])
    after = statistics.median(s.files for s in samples[2 * third :])
    if after > before + MAX_MORE_FILES:
        wrong.append(f"open files grow from {before:.0f} to {after:.0f}")
    return wrong


def _clients(served: Served, seconds: float, rates: dict[str, float] | None) -> list[subprocess.Popen[bytes]]:
    """One client a method, all at once; without `rates` as fast as they can."""
    started = []
    for seed, (method, in_flight) in enumerate(IN_FLIGHT.items(), 1):
        job = Job(
            served.address, method, in_flight, seconds, connections=min(4, in_flight), people=PEOPLE, seed=seed,
            rate=rates[method] if rates else 0.0, expect=EXPECT[method],
        )  # fmt: skip
        command = [sys.executable, "-m", "bench.load", json.dumps(asdict(job))]
        started.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    return started


def _outcomes(clients: Sequence[subprocess.Popen[bytes]]) -> dict[str, dict[str, float]]:
    found = {}
    for method, client in zip(IN_FLIGHT, clients, strict=True):
        out, failure = client.communicate()
        if client.returncode != 0:
            raise Failed(f"{method}: {failure.decode(errors='replace')[-800:]}")
        found[method] = json.loads(out)
        if found[method]["errors"]:
            raise Failed(f"{method}: {found[method]['errors']:.0f} calls were refused")
    return found


def _watch(served: Served, clients: Sequence[subprocess.Popen[bytes]], every: float, console: Console) -> list[Sample]:
    began = told = time.monotonic()
    samples: list[Sample] = []
    while any(client.poll() is None for client in clients):
        time.sleep(every)
        now = time.monotonic()
        samples.append(Sample((now - began) / 60, served.server.rss_mb(), served.server.fds()))
        if now - told >= 60:
            told = now
            newest = samples[-1]
            console.print(f"minute {newest.minute:.0f}: {newest.rss_mb:.1f} MB, {newest.files} files", highlight=False)
    return samples[:-1]


def soak(minutes: float, console: Console) -> list[str]:
    """Run it; what is wrong."""
    with deployment.folder() as place, deployment.service(place / "soak") as served:
        deployment.populate(served, PEOPLE)
        console.print("measuring what it can take")
        most = _outcomes(_clients(served, 6.0, None))
        rates = {method: outcome["per_second"] / 2 for method, outcome in most.items()}
        told = ", ".join(f"{method} {rate:,.0f}/s" for method, rate in rates.items())
        console.print(f"{minutes:g} minutes at half of it: {told}", highlight=False)
        clients = _clients(served, 60 * minutes, rates)
        try:
            samples = _watch(served, clients, min(5.0, 60 * minutes / 60), console)
            done = _outcomes(clients)
        finally:
            for client in clients:
                client.kill()
                client.wait()
    reached = {method: outcome["per_second"] for method, outcome in done.items()}
    third = len(samples) // 3
    console.print(
        f"{sum(o['all_calls'] for o in done.values()):,.0f} calls, none refused; "
        + ", ".join(f"{method} p99 {outcome['p99']:.1f} ms" for method, outcome in done.items()),
        highlight=False,
    )
    if third:
        console.print(
            f"memory {samples[0].rss_mb:.1f} → {samples[-1].rss_mb:.1f} MB, slope of the last two thirds "
            f"{slope(samples[third:]):+.2f} MB in 10 minutes; files {samples[0].files} → {samples[-1].files}",
            highlight=False,
        )
    late = [method for method, rate in rates.items() if reached[method] < 0.9 * rate]
    return verdict(samples, minutes) + [f"{method} did not keep up with half of the most" for method in late]


def main(arguments: list[str]) -> int:
    """0 if nothing grew, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    given = parser.parse_args(arguments)
    console = Console()
    try:
        wrong = soak(given.minutes, console)
    except Failed as failure:
        wrong = [str(failure)]
    for text in wrong:
        console.print(f"[red]{text}[/red]", highlight=False)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
