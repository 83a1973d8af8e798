"""The services and two downstreams as processes, so that the demonstration can start, kill and start them again."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
READY_SECONDS = 60.0


class DidNotStart(Exception):
    """A process ended, or said nothing in time."""


@dataclass
class System:
    """What runs, under one folder."""

    folder: Path
    address: str = ""
    services: subprocess.Popen[str] | None = None
    downstreams: list[subprocess.Popen[str]] = field(default_factory=list)

    def start_services(self) -> None:
        """All three in one process, embedded; returns when they are ready."""
        command = [sys.executable, "-m", "services", "--data", str(self.folder / "data"), "--listen", "127.0.0.1:0"]
        self.services = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        ready = _await_line(self.services, lambda line: line.get("event") == "ready")
        self.address = f"127.0.0.1:{ready['port']}"

    def start_downstreams(self, tenant: str, names: Sequence[str]) -> None:
        """One process each, with the credentials of this start."""
        self.stop_downstreams()
        login = json.loads((self.folder / "data" / "nats.json").read_text())
        for name in names:
            command = [sys.executable, "-m", "examples.downstream", "--nats", login["url"]]
            command += ["--credentials", str(self.folder / "data" / "nats.json"), "--tenant", tenant]
            command += [
                "--downstream",
                name,
                "--list",
                str(self.list_of(name)),
                "--journal",
                str(self.journal_of(name)),
            ]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            self.downstreams.append(process)
            if process.stdout is None or "listening" not in process.stdout.readline():
                raise DidNotStart(name)
            threading.Thread(target=process.stdout.read, daemon=True).start()  # a full pipe would stop it

    def list_of(self, downstream: str) -> Path:
        """Whom it may contact."""
        return self.folder / f"{downstream}.sqlite"

    def journal_of(self, downstream: str) -> Path:
        """When it received and enforced."""
        return self.folder / f"{downstream}.jsonl"

    def kill_services(self) -> None:
        """SIGKILL: nothing is flushed, nobody is asked."""
        if self.services is not None:
            os.kill(self.services.pid, signal.SIGKILL)
            self.services.wait()

    def stop_downstreams(self) -> None:
        """End those that run; an embedded nats-server has new credentials after each start."""
        for process in self.downstreams:
            _end(process)
        self.downstreams.clear()

    def stop(self) -> None:
        """End everything, downstreams first; the services drain."""
        self.stop_downstreams()
        if self.services is not None:
            _end(self.services)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _await_line(process: subprocess.Popen[str], wanted: Any) -> dict[str, Any]:
    """The first JSON line on stderr that is wanted; the rest of stderr is then read away in the background."""
    assert process.stderr is not None
    end = time.monotonic() + READY_SECONDS
    said: list[str] = []
    while time.monotonic() < end:
        if not select.select([process.stderr], [], [], 0.2)[0]:
            if process.poll() is not None:
                break
            continue
        line = process.stderr.readline()
        if not line:  # it has ended, and this was the last of what it said
            break
        said.append(line)
        try:
            parsed: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        if wanted(parsed):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return parsed
    raise DidNotStart("".join(said[-5:]))
