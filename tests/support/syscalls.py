"""Faults in single system calls of a process, by strace: the n-th call of a kind fails, or kills.

strace is attached when the process has said READY, so that calls are counted from there, for each thread by itself.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.services import ROOT, environment

WRITING = ("pwrite64", "write", "fsync", "fdatasync", "openat", "unlink", "ftruncate")
"""Calls that a full disk can fail."""
OTHERS = ("pread64", "fcntl", "flock", "close", "newfstatat", "fstat", "lseek")
_CALL = re.compile(r"^(?:\[pid +(\d+)\] |(\d+) +)?(\w+)\(")
_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One."""

    call: str
    nth: int
    """From 1; in each thread."""
    what: str
    """`signal=KILL`, `error=EIO` or `error=ENOSPC`."""

    def __str__(self) -> str:
        return f"{self.what} at {self.call} {self.nth}"


@dataclass(frozen=True, slots=True)
class Said:
    """What became of the process."""

    lines: list[str]
    """Its stdout after READY."""
    code: int
    trace: str
    """What strace wrote."""


def require_strace() -> None:
    """Skip where there is none; fail in CI."""
    reason = ""
    if shutil.which("strace") is None:
        reason = "there is no strace"
    elif _run(["-c", "print('READY', flush=True); input()"], ["-e", "trace=none"]).code != 0:
        reason = "this machine does not let strace attach to a process"
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(f"NOT TESTED: {reason}")


def traced(arguments: list[str]) -> dict[str, int]:
    """How often the busiest thread of the program makes each call, after READY."""
    said = _run(arguments, ["-e", f"trace={','.join(WRITING + OTHERS)}"])
    assert said.code == 0, said
    counted: Counter[tuple[str, str]] = Counter()
    for line in said.trace.splitlines():
        if match := _CALL.match(line):
            counted[match[1] or match[2] or "", match[3]] += 1
    most: dict[str, int] = {}
    for (_, call), times in counted.items():
        if call in WRITING + OTHERS:
            most[call] = max(most.get(call, 0), times)
    return most


def plan(counts: dict[str, int]) -> list[Fault]:
    """Every fault of every call."""
    faults = []
    for call in sorted(counts):
        for what in ("signal=KILL", "error=EIO", *(["error=ENOSPC"] if call in WRITING else [])):
            faults += [Fault(call, nth, what) for nth in range(1, counts[call] + 1)]
    return faults


def struck(arguments: list[str], fault: Fault) -> Said:
    """Run the program with one fault."""
    return _run(arguments, ["-e", f"inject={fault.call}:{fault.what}:when={fault.nth}", "-e", f"trace={fault.call}"])


def _run(arguments: list[str], options: list[str]) -> Said:
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=environment(), text=True, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    tracer: subprocess.Popen[str] | None = None
    try:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "READY\n"
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", *options, "-p", str(process.pid)],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        if not _attached(process.pid, tracer):
            return Said([], 1, tracer.communicate()[1])
        try:
            out, _ = process.communicate("go\n", _LIMIT_S)
        except subprocess.TimeoutExpired:  # a call that it cannot do without: whoever runs it would end it, too
            process.kill()
            out, _ = process.communicate()
        _, trace = tracer.communicate(timeout=_LIMIT_S)
        return Said(out.splitlines(), process.returncode, trace)
    finally:
        for one in (process, tracer):
            if one is not None and one.poll() is None:
                os.kill(one.pid, signal.SIGKILL)
                one.wait()


def _attached(pid: int, tracer: "subprocess.Popen[str]") -> bool:
    """Whether every thread of the process is traced."""
    while tracer.poll() is None:
        status = [Path(task, "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
        if all("TracerPid:\t0\n" not in one for one in status):
            return True
    return False
