"""CheckConsent against the echo: 64 calls in flight for throughput, one for the unloaded time.

- A random person of the ledger each call, all with a grant; every answer must be ALLOWED, or the run fails.
- Where h2load is installed, a long run measures the echo with it as well, so that a reader can trust our own client.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import partial

from bench import requests
from bench.figures import Figures, median, median_ratio, rounds
from bench.processes import Failed
from bench.stand import PEOPLE, Load, Measured, Stand

ALLOWED = "0801"
"""The first field of the answer: decision 1."""


def measure(stand: Stand) -> None:
    """The figures `check.*`."""
    address, meter = stand.echo
    servers = {"echo": Load(address, meter), "sqlite": Load.of(stand.sqlite), "postgresql": Load.of(stand.postgresql)}
    stand.say("CheckConsent, 64 in flight and 1")
    loaded = rounds(stand.rounds, {n: _call(load, 64, stand.seconds) for n, load in servers.items()})
    unloaded = rounds(stand.rounds, {n: _call(load, 1, stand.seconds / 2) for n, load in servers.items()})
    for store in ("sqlite", "postgresql"):
        _put(stand.figures, store, loaded, unloaded)
    for name in servers:
        put_measured(stand.figures, f"check.{name}", loaded[name])
        stand.figures.put(f"check.{name}.unloaded_p50_ms", median(m.p50 for m in unloaded[name]))
        stand.figures.put(f"check.{name}.unloaded_p99_ms", median(m.p99 for m in unloaded[name]))
    if not stand.quick:
        _compare_clients(stand)


def _call(load: Load, in_flight: int, seconds: float) -> Callable[[], Measured]:
    return partial(load, "CheckConsent", in_flight, seconds, people=PEOPLE, expect=ALLOWED)


def _put(figures: Figures, store: str, loaded: dict[str, list[Measured]], unloaded: dict[str, list[Measured]]) -> None:
    ours, floor = loaded[store], loaded["echo"]
    figures.put(f"check.{store}.ratio", median_ratio([m.per_second for m in ours], [m.per_second for m in floor]))
    cpu = median_ratio([m.cpu_us["server"] for m in floor], [m.cpu_us["server"] for m in ours])
    figures.put(f"check.{store}.cpu.ratio", cpu)
    p50 = median_ratio([m.p50 for m in unloaded[store]], [m.p50 for m in unloaded["echo"]])
    figures.put(f"check.{store}.unloaded_p50.ratio", p50)


def put_measured(figures: Figures, name: str, measured: Sequence[Measured]) -> None:
    """Rate, latency and CPU of one candidate."""
    figures.put(f"{name}.per_second", median(m.per_second for m in measured))
    figures.put(f"{name}.p50_ms", median(m.p50 for m in measured))
    figures.put(f"{name}.p99_ms", median(m.p99 for m in measured))
    figures.put(f"{name}.client_cpu_us", median(m.client_us for m in measured))
    for process in ("server", "nats", "database"):
        used = median(m.cpu_us[process] for m in measured)
        if used >= 1:
            figures.put(f"{name}.{process}_cpu_us", used)


def _compare_clients(stand: Stand) -> None:
    """The echo by our client against the echo by h2load, which repeats one body."""
    if shutil.which("h2load") is None:
        stand.figures.note("h2load is not installed (Debian: nghttp2-client): our client is not compared with it.")
        return
    echo = _call(Load(*stand.echo), 64, stand.seconds)
    candidates: dict[str, Callable[[], float]] = {"ours": lambda: echo().per_second, "h2load": partial(_h2load, stand)}
    found = rounds(stand.few_rounds, candidates)
    stand.figures.put("client.against_h2load", median_ratio(found["ours"], found["h2load"]))


def _h2load(stand: Stand) -> float:
    body = next(requests.messages("CheckConsent", 1, 0, seed=1))
    with tempfile.NamedTemporaryFile(dir=stand.folder) as file:
        file.write(b"\0" + len(body).to_bytes(4, "big") + body)
        file.flush()
        command = ["h2load", "-c4", "-m16", f"-D{max(1, round(stand.seconds))}", "--warm-up-time=1", f"-d{file.name}"]
        for header in ("content-type: application/grpc", "te: trailers", "grpc-timeout: 20S"):
            command += ["-H", header]
        command.append(f"http://{stand.echo[0]}{requests.SERVICE}CheckConsent")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not (found := re.search(r"finished in [^,]+, ([\d.]+) req/s", done.stdout)):
        raise Failed(f"h2load failed: {done.stderr.strip()[-500:]}")
    return float(found[1])
