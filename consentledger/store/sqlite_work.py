"""An open write transaction of a SQLite file, and SQLite's errors as ours. The file itself is in `sqlite_file`."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from consentledger.store.dialects import numbered
from consentledger.store.ledger import Row, StoreUnavailable, WriteRefused

if TYPE_CHECKING:
    from consentledger.store.sqlite_file import SqliteFile

T = TypeVar("T")

SMALL = 32
"""Up to so many rows are written, or values looked up, without a hop to the writer thread."""


def translation(error: sqlite3.Error) -> Exception:
    """Our error for SQLite's, without its text. Defects (SQLITE_ERROR, misuse) stay what they are."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_CONSTRAINT", "SQLITE_TOOBIG", "SQLITE_MISMATCH")):
        return WriteRefused(f"SQLite refused: {name}")
    if not name or name in ("SQLITE_ERROR", "SQLITE_MISUSE", "SQLITE_RANGE"):
        return error
    return StoreUnavailable(f"SQLite: {name}")


class SqliteWork:
    """An open write transaction; it has the writing connection for itself."""

    def __init__(self, file: "SqliteFile", first: Sequence[Row]) -> None:
        self._file = file
        self.first = first
        self.open = True

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        sql = numbered(sql)
        return await self.call(lambda connection: connection.execute(sql, args).fetchall(), len(args))

    async def executemany(self, sql: str, rows: Iterable[Row]) -> None:
        sql, all_rows = numbered(sql), list(rows)
        if all_rows:
            await self.call(lambda connection: connection.executemany(sql, all_rows), len(all_rows))

    async def call(self, step: Callable[[sqlite3.Connection], T], size: int) -> T:
        """Run several statements together: here when `size`, the number of rows or values, is small."""

        def guarded(connection: sqlite3.Connection) -> T:
            # SQLite ends a transaction by itself after some errors; the next statement would then commit alone.
            if not (self.open and connection.in_transaction):
                raise StoreUnavailable("the transaction has ended")
            return step(connection)

        if size <= SMALL:
            return self._file.on_the_spot(guarded)
        return await self._file.on_writer(guarded)
