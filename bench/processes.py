"""Child processes and what they use: CPU time, memory, open files.

- A child is ended when its block ends, by SIGTERM and, if it does not listen, by SIGKILL; none outlives the run.
- CPU is that of whole processes between two moments, user and system together, read from the operating system.
"""

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[1]
STOP_SECONDS = 30.0


class Failed(Exception):
    """A measurement could not be made; the text says why, and is for people."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def child(
    arguments: Sequence[str],
    *,
    output: int | IO[bytes] = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """`python` with these arguments, in the repository's folder; its standard input stays open until the end."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if output == subprocess.PIPE else output,
        stderr=subprocess.DEVNULL if output in (subprocess.PIPE, subprocess.DEVNULL) else output,
        env=None if environment is None else dict(environment),
    )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a child, in order if it can."""
    family = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()


def run(module: str, job: object, *, seconds: float = 120.0) -> dict[str, Any]:
    """Run `python -m module JSON` to its end; the JSON object that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, json.dumps(job)], cwd=ROOT, capture_output=True, timeout=seconds, check=False
    )
    if done.returncode != 0:
        raise Failed(f"{module} failed: {done.stderr.decode(errors='replace').strip()[-1500:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@dataclass(frozen=True, slots=True)
class Meter:
    """The CPU time of some processes and their descendants."""

    pids: Sequence[int]
    descendants: bool = True

    def seconds(self) -> float:
        """CPU seconds used so far; a process that has ended counts no longer."""
        return sum(_seconds(process) for process in self._all())

    def rss_mb(self) -> float:
        """Resident memory now, in MB."""
        total = 0
        for process in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total / 1e6

    def fds(self) -> int:
        """Open file descriptors now."""
        total = 0
        for process in self._all():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.num_fds()
        return total

    def _all(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for pid in self.pids:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                found += [process, *(process.children(recursive=True) if self.descendants else ())]
        return found


def _seconds(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0
