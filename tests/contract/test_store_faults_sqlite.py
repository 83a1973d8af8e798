"""Each durable write on SQLite fails in two ways: not applied, and applied but reported failed. And who may open it."""

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consentledger.store.ledger import OutcomeUnknown, StoreUnavailable
from consentledger.store.open import open_store
from consentledger.store.sqlite import SqliteStore
from tests.support.stores import PROJECTION, TALLY, append, entry, opened, write

pytestmark = pytest.mark.fault


class FailingCommit(sqlite3.Connection):
    """A connection whose next COMMIT, carried out or not, is reported as failed with the error code set here."""

    code = ""
    carried_out = False

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        failing = sql == "COMMIT" and FailingCommit.code
        if not failing or FailingCommit.carried_out:
            cursor = super().execute(sql, *args)
        if failing:
            error = sqlite3.OperationalError("as the disk would have it")
            error.sqlite_errorname, FailingCommit.code = FailingCommit.code, ""
            raise error
        return cursor


@pytest.mark.parametrize(
    ("code", "carried_out", "reported"),
    [
        ("SQLITE_FULL", False, StoreUnavailable),
        ("SQLITE_FULL", True, OutcomeUnknown),
        ("SQLITE_IOERR_FSYNC", False, OutcomeUnknown),
        ("SQLITE_IOERR_FSYNC", True, OutcomeUnknown),
    ],
)
async def test_a_failed_commit_is_surely_not_applied_only_if_sqlite_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, carried_out: bool, reported: type[Exception]
) -> None:
    store = await SqliteStore.open(tmp_path / "store.db", "consent", PROJECTION, FailingCommit)
    try:
        await write(store, entry(1))
        monkeypatch.setattr(FailingCommit, "carried_out", carried_out)
        monkeypatch.setattr(FailingCommit, "code", code)
        with pytest.raises(StoreUnavailable) as failure:
            await write(store, entry(2))
        assert type(failure.value) is reported
        position = (await store.head()).position
        assert position == (2 if carried_out else 1)
        await write(store, entry(position + 1))
    finally:
        await store.close()


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow past 1 MiB: the kernel then fails writes as a full disk does."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, usual[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("size", [1 << 20, 4 << 20], ids=["at COMMIT", "when the cache spills"])
async def test_a_write_that_the_disk_refuses_is_not_applied(tmp_path: Path, small_disk: None, size: int) -> None:
    async with opened(f"sqlite:///{tmp_path}/store.db") as store:
        await write(store, entry(1))
        with pytest.raises(StoreUnavailable):
            await write(store, entry(2, leaf=b"x" * size))
        assert await store.entries(0, 10) == [entry(1)]
        await write(store, entry(2))
        assert (await store.head()).position == 2


async def test_a_full_database_refuses_and_takes_small_writes_again(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/store.db") as store:
        async with store.write() as transaction:
            [(pages,)] = await transaction.fetch("PRAGMA page_count")
            await transaction.fetch(f"PRAGMA max_page_count = {pages + 2}")
            await append(transaction, entry(1))
        with pytest.raises(StoreUnavailable, match="has ended"):
            async with store.write() as transaction:
                await transaction.executemany(TALLY, [("lost", 1)])
                with pytest.raises(StoreUnavailable, match="SQLITE_FULL"):
                    await append(transaction, entry(2, leaf=b"x" * 100_000))
                # SQLite has ended the transaction by itself: this must not be committed alone.
                await transaction.executemany(TALLY, [("alone", 1)])
        assert await store.read("SELECT name FROM tally") == []
        await write(store, entry(2))


HOLDER = """
import asyncio, sys
from consentledger.store.open import open_store
async def hold():
    await open_store(sys.argv[1], "consent", ())
    print("held", flush=True)
    await asyncio.Event().wait()
asyncio.run(hold())
"""


def test_a_second_process_is_refused_and_the_lock_ends_with_its_holder(tmp_path: Path) -> None:
    async def open_and_close() -> None:
        await (await open_store(url, "consent", ())).close()

    url = f"sqlite:///{tmp_path}/store.db"
    with subprocess.Popen([sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout and process.stdout.readline() == b"held\n"
            with pytest.raises(StoreUnavailable, match="in use"):
                asyncio.run(open_and_close())
        finally:
            os.kill(process.pid, signal.SIGKILL)
    asyncio.run(open_and_close())


async def test_a_file_cannot_be_opened_twice_in_one_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    async with opened(url):
        with pytest.raises(StoreUnavailable, match="in use"):
            await open_store(url, "rights", ())
    with pytest.raises(StoreUnavailable, match="belongs to the service consent"):
        await open_store(url, "rights", ())


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


async def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/store.db") as store:
        await write(store, entry(1))
        assert set(modes_in(tmp_path).values()) == {0o600}


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"not a database, but long enough to have a header" * 100)
    with pytest.raises(StoreUnavailable):
        await open_store(f"sqlite:///{tmp_path}/store.db", "consent", ())
    with pytest.raises(StoreUnavailable):
        await open_store(f"sqlite:///{tmp_path}/store.db/below", "consent", ())


async def test_closing_leaves_everything_in_one_file(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/store.db") as store:
        await write(store, entry(1))
    assert set(modes_in(tmp_path)) == {"store.db", "store.db.lock"}
