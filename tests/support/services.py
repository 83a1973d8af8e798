"""`python -m services` and the `consentledger` command as child processes: started, told to stop, killed, listened to.

Every process leads a group of its own, so that whatever it started can be found, and ended, when it is gone.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from consentledger.rpc.channel import connect
from consentledger.rpc.health import READINESS
from tests.support.nats import eventually

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0


def environment(**given: str) -> dict[str, str]:
    """Ours without any setting of the ledger, so that a developer's own do not count."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CONSENTLEDGER_")}
    return ours | {"PYTHONDONTWRITEBYTECODE": "1"} | given


class ServiceProcess:
    """One process; `start` may be called again after it has ended, with the same arguments."""

    def __init__(self, *arguments: str, cwd: Path = ROOT, **settings: str) -> None:
        self._arguments = arguments
        self._cwd = cwd
        self._environment = environment(**settings)
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._groups: list[int] = []
        self.said: list[str] = []
        """The lines of stderr since the last start."""

    @property
    def pid(self) -> int:
        """Of the last start."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def address(self) -> str:
        """Where it listens, when it was told 127.0.0.1."""
        return f"127.0.0.1:{self.events('ready')[0]['port']}"

    def events(self, name: str) -> list[dict[str, Any]]:
        """The journal's lines about an event."""
        found = []
        for line in self.said:
            with suppress(ValueError):
                parsed = json.loads(line)
                if parsed.get("event") == name:
                    found.append(parsed)
        return found

    def launch(self) -> None:
        """Start, and wait for nothing."""
        said: list[str] = []
        self.said = said
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "services", *self._arguments],
            cwd=self._cwd, env=self._environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._groups.append(process.pid)

        def read() -> None:
            assert process.stderr is not None
            with process.stderr as lines:
                said.extend(lines)

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()

    async def start(self) -> None:
        """Start; returns when it is ready."""
        self.launch()
        await eventually(lambda: bool(self.events("ready")) or not self.running, START_SECONDS)
        assert self.running, "".join(self.said)

    def terminate(self) -> None:
        """SIGTERM: it drains."""
        os.kill(self.pid, signal.SIGTERM)

    async def ended(self, seconds: float = 60.0) -> int:
        """Its exit code, once it has ended; all that it said has been read then."""
        assert self._process is not None and self._reader is not None
        code = await asyncio.to_thread(self._process.wait, seconds)
        # What it left running may hold the pipe: not to be waited for.
        await asyncio.to_thread(self._reader.join, 1.0)
        return code

    async def kill(self) -> None:
        """SIGKILL to this process alone: what it started is not asked."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        await self.ended()

    def close(self) -> None:
        """End every process that any start has left, at once."""
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()


@asynccontextmanager
async def services(*arguments: str, cwd: Path = ROOT, **settings: str) -> AsyncIterator[ServiceProcess]:
    """A process that is ready."""
    process = ServiceProcess(*arguments, cwd=cwd, **settings)
    try:
        await process.start()
        yield process
    finally:
        process.close()


async def refused(*arguments: str, **settings: str) -> tuple[int, str]:
    """(exit code, what it said) of a process that is expected not to start."""
    process = ServiceProcess(*arguments, **settings)
    try:
        process.launch()
        return await process.ended(START_SECONDS), "".join(process.said)
    finally:
        process.close()


async def command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `consentledger` as an operator would."""
    program = [str(Path(sys.executable).parent / "consentledger"), *arguments]
    return await asyncio.to_thread(
        subprocess.run, program, cwd=ROOT, env=environment(**settings), capture_output=True, text=True, timeout=60
    )


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def group(leader: int) -> list[int]:
    """The running processes of a group."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(entry.read_text().rsplit(")", 1)[1].split()[2]) == leader and alive(int(entry.parent.name)):
                found.append(int(entry.parent.name))
    return found


async def health(address: str, name: str = READINESS) -> str:
    """What a server says about one of its names."""
    channel = connect(address)
    try:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    finally:
        await channel.close()


async def reflected(address: str) -> Sequence[str]:
    """The services that a server says it has."""
    channel = connect(address)
    try:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        async for answer in stub.ServerReflectionInfo(iter([asked]), timeout=10):
            return sorted(service.name for service in answer.list_services_response.service)
        return []
    finally:
        await channel.close()
