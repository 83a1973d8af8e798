"""The real services, as a user starts them, on a store of their own; and the echo server beside them.

- `python -m services consent`, a nats-server of its own included: what an act costs on the bus is part of ours.
- PostgreSQL syncs every commit (see `tests.support.postgres`); the databases are migrated as an operator would.
- Everything lies in one temporary folder, on the disk whose speed `machine` reports, and is removed at the end.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from bench.processes import ROOT, Failed, Meter, child, free_port, run
from consentledger.crypto.keyring import FileKeyring
from consentledger.rpc.probe import probe
from consentledger.store.open import migrate_keystore, migrate_store
from services.consent.projection.tables import MIGRATIONS
from tests.support import postgres

START_SECONDS = 60.0
PROGRAM = ("-m", "services")
"""What `python` is given to start services."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running process of ours and where its data is."""

    name: str
    """`sqlite` or `postgresql`."""
    address: str
    pid: int
    folder: Path
    store_url: str
    keys_url: str
    server: Meter
    """The Python process alone."""
    nats: Meter
    database: Meter
    """The database server's processes; of none for SQLite, whose work is the server's own."""
    own: Sequence[int] = field(default=())


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder, removed at the end. The database server's user must be able to pass through."""
    place = Path(tempfile.mkdtemp(prefix="consentledger-bench-"))
    place.chmod(0o711)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def echo() -> Iterator[tuple[str, Meter]]:
    """The floor's server: its address and its process."""
    with child(["-m", "bench.echo"], output=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = process.stdout.readline().decode().strip()
        if not port:
            raise Failed("the echo server did not start")
        yield f"127.0.0.1:{port}", Meter((process.pid,))


@contextlib.contextmanager
def database_server(place: Path) -> Iterator[postgres.External]:
    """PostgreSQL with room to work in: 1 GB of shared buffers, seldom a checkpoint."""
    settings = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min"}
    with postgres.server(place / "postgresql", settings=settings) as server:
        yield server


@contextlib.contextmanager
def service(
    place: Path,
    database: postgres.External | None = None,
    *,
    names: Sequence[str] = ("consent",),
    index_memory: int | None = None,
    urls: tuple[str, str] | None = None,
    program: Sequence[str] = PROGRAM,
) -> Iterator[Served]:
    """Our services on SQLite in `place`, or on `database`: on two new databases unless their `urls` are given."""
    place.mkdir(parents=True, exist_ok=True)
    port = free_port()
    arguments = [*program, *names, "--listen", f"127.0.0.1:{port}", "--data", str(place / "data")]
    arguments += ["--log-level", "error"]
    environment = dict(os.environ)
    if index_memory is not None:
        environment["CONSENTLEDGER_INDEX_MEMORY"] = str(index_memory)
    store, keys = f"sqlite:///{place / 'data' / 'consent.db'}", f"sqlite:///{place / 'data' / 'keys.db'}"
    meter = Meter(())
    if database is not None:
        store, keys = urls or (database.database(), database.database())
        asyncio.run(_migrate(store, keys, names))
        arguments += ["--store", store, "--keys", keys, "--guard", f"file://{place / 'guard'}"]
        environment["CONSENTLEDGER_KEYRING"] = str(_keyring(place))
        meter = Meter([p.pid for p in psutil.Process().children() if p.name() == "postgres"])
    with open(place / "log", "ab") as log, child(arguments, output=log, environment=environment) as process:
        address = f"127.0.0.1:{port}"
        deadline = time.monotonic() + START_SECONDS
        while asyncio.run(probe(address)) != "SERVING":
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the service did not start:\n{(place / 'log').read_text()[-2000:]}")
            time.sleep(0.1)
        children = [p.pid for p in psutil.Process(process.pid).children(recursive=True)]
        yield Served(
            "sqlite" if database is None else "postgresql", address, process.pid, place, store, keys,
            Meter((process.pid,), descendants=False), Meter(children), meter,
        )  # fmt: skip


def _keyring(place: Path) -> Path:
    FileKeyring.open_or_create(place / "keyring.json")
    return place / "keyring.json"


async def _migrate(store: str, keys: str, names: Sequence[str]) -> None:
    await migrate_store(store, "consent", MIGRATIONS)
    await migrate_keystore(keys)


def populate(served: Served, people: int, *, first: int = 0) -> None:
    """The example catalogue, and a grant each for so many people, through the ordinary rpcs."""
    run("bench.people", {"address": served.address, "people": people, "first": first}, seconds=900)


__all__ = ["ROOT", "Served", "database_server", "echo", "folder", "populate", "service"]
