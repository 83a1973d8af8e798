"""One SQLite file: its lock, its writer thread, its readers. No SQL of the ledger.

- One process at a time: a lock on `<file>.lock` is held while the file is open. WAL, `synchronous=FULL`: COMMIT
  returns after the log is synced.
- Writing has one connection and one thread. What may wait for the disk (BEGIN, COMMIT, and anything large) runs on the
  thread, so a slow sync never stops the event loop; a few statements inside a transaction run where the caller is.
- `read` runs on the caller's event loop thread, on a read-only connection: a point query takes about 10 µs, a hop to
  another thread and back about five times that. It is for small queries; `scan` has threads for the large ones.
- Every statement of a WAL reader outside a transaction sees the newest commit, so all reads are linearizable.
- A transaction that was abandoned by cancellation is rolled back before the lock is given to the next.
"""

import asyncio
import contextlib
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import LifoQueue
from typing import Any, TypeVar
from urllib.parse import quote

from consentledger.store import schema as schemas
from consentledger.store.dialects import Dialect, numbered, render
from consentledger.store.ledger import OutcomeUnknown, Row, StoreUnavailable
from consentledger.store.schema import Schema
from consentledger.store.sqlite_work import SqliteWork, translation

T = TypeVar("T")

BUSY_TIMEOUT_MS = 5_000
SCANNERS = 2
MOST_TO_LOOK_FOR = 64
"""Deleted values that are searched for in the file; for more it is quicker to write the file anew."""
SURELY_NOT_COMMITTED = ("SQLITE_FULL", "SQLITE_BUSY", "SQLITE_CONSTRAINT")
"""Errors of COMMIT after which its last frame cannot be in the log; a failed sync, for one, leaves it there."""


def _empty_log(connection: sqlite3.Connection) -> None:
    [(busy, *_)] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    if busy:
        raise StoreUnavailable("the write-ahead log is being read and could not be emptied")


class SqliteFile:
    """One database file, held by this process. Made by `open`."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path, connection_class: type[sqlite3.Connection]) -> None:
        self._path = path
        self._class = connection_class
        self._turn = asyncio.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"sqlite-write-{path.stem}")
        self._scanners = ThreadPoolExecutor(SCANNERS, thread_name_prefix=f"sqlite-read-{path.stem}")
        self._scan_connections: LifoQueue[sqlite3.Connection] = LifoQueue()
        self._lock_file = -1
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        schema: Schema,
        *,
        secure_delete: bool = False,
        connection_class: type[sqlite3.Connection] = sqlite3.Connection,
    ) -> "SqliteFile":
        """Open or create the file and bring its schema up to date.

        `connection_class` makes the writing connection; fault tests pass one whose COMMIT fails. Raises
        StoreUnavailable when another process (or this one) has the file open, or it cannot be used.
        """
        file = cls(path, connection_class)
        try:
            file._lock()
            await file._run(file._writer, lambda: file._connect(schema, secure_delete))
        except BaseException:
            await file.close()
            raise
        return file

    def _lock(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except BlockingIOError:
            raise StoreUnavailable(f"{self._path} is in use by another process") from None
        except OSError as error:
            raise StoreUnavailable(f"{self._path} cannot be opened: {os.strerror(error.errno or 0)}") from None

    def _connect(self, schema: Schema, secure_delete: bool) -> None:
        uri = f"file:{quote(str(self._path.absolute()))}"
        connect: dict[str, Any] = {
            "uri": True, "isolation_level": None, "check_same_thread": False, "cached_statements": 512,
        }  # fmt: skip
        self._write_connection = sqlite3.connect(f"{uri}?mode=rw", factory=self._class, **connect)
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "recursive_triggers=ON",  # or INSERT OR REPLACE would delete events without the trigger
            f"secure_delete={'ON' if secure_delete else 'FAST'}",
            "temp_store=MEMORY",  # VACUUM must not copy keys into /tmp
        ):
            self._write_connection.execute(f"PRAGMA {pragma}")
        self._migrate(schema)
        readers = [sqlite3.connect(f"{uri}?mode=ro", **connect) for _ in range(1 + SCANNERS)]
        for reader in readers:
            reader.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            reader.execute("PRAGMA query_only=ON")
        self._reader, *scanners = readers
        for scanner in scanners:
            self._scan_connections.put(scanner)

    def _migrate(self, schema: Schema) -> None:
        connection = self._write_connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(render("sqlite", schemas.VERSIONS_TABLE))
            applied = connection.execute(schemas.READ_VERSIONS).fetchall()
            for component, step in schemas.missing(schema, applied):
                for sql in step.rendered("sqlite"):
                    connection.execute(sql)
                row = (component, step.number, step.name, schema.service)
                connection.execute(numbered(schemas.WRITE_VERSION), row)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    @contextlib.asynccontextmanager
    async def transaction(self, opening: str) -> AsyncIterator[SqliteWork]:
        """See `Database.transaction`. Transactions of one process take turns."""
        async with self._turn:
            work = SqliteWork(self, ())
            try:
                work.first = await self.on_writer(lambda connection: self._begin(connection, opening))
                yield work
            except BaseException:
                work.open = False
                # Behind whatever the cancelled call left running: the writer thread takes one thing at a time.
                await asyncio.shield(self.on_writer(self._roll_back))
                raise
            work.open = False
            # The commit point. Before: nothing happened. After: everything did, whether or not anybody hears of it.
            await asyncio.shield(self.on_writer(self._commit))

    @staticmethod
    def _begin(connection: sqlite3.Connection, opening: str) -> Sequence[Row]:
        connection.execute("BEGIN IMMEDIATE")
        return connection.execute(numbered(opening)).fetchall()

    @staticmethod
    def _roll_back(connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")

    @staticmethod
    def _commit(connection: sqlite3.Connection) -> None:
        if not connection.in_transaction:
            raise StoreUnavailable("the transaction was rolled back by SQLite")
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "") or "an error without a code"
            still_open = connection.in_transaction
            with contextlib.suppress(sqlite3.Error):
                SqliteFile._roll_back(connection)
            if still_open and name.startswith(SURELY_NOT_COMMITTED):
                raise StoreUnavailable(f"SQLite: {name} at COMMIT") from None
            raise OutcomeUnknown(f"SQLite: {name} at COMMIT") from None

    async def read(self, sql: str, *args: Any) -> Sequence[Row]:
        """See `Database.read`. Runs on the calling thread, on purpose; see the module's rules."""
        if self._closed:
            raise StoreUnavailable(f"{self._path} is closed")
        try:
            rows: list[Row] = self._reader.execute(numbered(sql), args).fetchall()
            return rows
        except sqlite3.Error as error:
            raise translation(error) from None

    async def scan(self, sql: str, *args: Any) -> Sequence[Row]:
        """See `Database.scan`."""
        sql = numbered(sql)

        def fetch() -> Sequence[Row]:
            connection = self._scan_connections.get()
            try:
                return connection.execute(sql, args).fetchall()
            finally:
                self._scan_connections.put(connection)

        return await self._run(self._scanners, fetch)

    async def empty_log(self) -> None:
        """Fold the write-ahead log into the file and leave nothing in it."""
        async with self._turn:
            await self.on_writer(_empty_log)

    async def scrub(self, values: Sequence[bytes] | None) -> None:
        """Empty the write-ahead log, look for the values in the file, and write the file anew if one is there.

        `secure_delete` overwrites a deleted row; what it can miss are copies made when the tree was balanced.
        """
        async with self._turn:
            await self.on_writer(_empty_log)
            if (
                values is None
                or len(values) > MOST_TO_LOOK_FOR
                or await self._run(self._writer, lambda: self._holds(values))
            ):
                await self.on_writer(lambda connection: connection.execute("VACUUM"))
                await self.on_writer(_empty_log)

    def _holds(self, values: Sequence[bytes]) -> bool:
        overlap = max(map(len, values), default=1) - 1
        tail = b""
        with open(self._path, "rb") as file:
            while chunk := file.read(1 << 20):
                text = tail + chunk
                if any(value in text for value in values):
                    return True
                tail = text[len(text) - overlap :]
        return False

    async def close(self) -> None:
        """Finish the write in progress, fold the write-ahead log into the file, release the lock."""
        async with self._turn:
            self._closed = True
            await asyncio.to_thread(self._scanners.shutdown)
            with contextlib.suppress(Exception):
                await asyncio.wrap_future(self._writer.submit(self._disconnect))
            self._writer.shutdown(wait=False)
            if self._lock_file >= 0:
                os.close(self._lock_file)
                self._lock_file = -1

    def _disconnect(self) -> None:
        while not self._scan_connections.empty():
            self._scan_connections.get().close()
        if hasattr(self, "_reader"):
            self._reader.close()
        if hasattr(self, "_write_connection"):
            with contextlib.suppress(sqlite3.Error):
                self._write_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._write_connection.close()

    def on_the_spot(self, step: Callable[[sqlite3.Connection], T]) -> T:
        """Run `step` on the caller's thread, inside a transaction: the writer thread is idle until it ends."""
        if self._closed:
            raise StoreUnavailable(f"{self._path} is closed")
        try:
            return step(self._write_connection)
        except sqlite3.Error as error:
            raise translation(error) from None

    async def on_writer(self, step: Callable[[sqlite3.Connection], T]) -> T:
        """Run `step` on the writer thread."""
        return await self._run(self._writer, lambda: step(self._write_connection))

    async def _run(self, executor: ThreadPoolExecutor, step: Callable[[], T]) -> T:
        if self._closed:
            raise StoreUnavailable(f"{self._path} is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, step)
        except sqlite3.Error as error:
            raise translation(error) from None
