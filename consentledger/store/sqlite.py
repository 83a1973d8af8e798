"""The log on SQLite: the embedded store. See `ledger` for the contract and `sqlite_file` for threads and durability.

One visit to the writer thread for each method of a transaction, however many statements it takes.
"""

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

from consentledger.store.dialects import Dialect, among
from consentledger.store.ledger import Answered, Entry, FullTile, Head, RequestKey, Row, WriteRefused
from consentledger.store.schema import ANSWER, ENTRY, READ_HEAD, Migration, log_schema, refuse_gap
from consentledger.store.sqlite_file import SqliteFile
from consentledger.store.sqlite_work import SqliteWork
from consentledger.tlog.hashing import leaf_hash

NEWER_IN_STREAM = f"SELECT {ENTRY} FROM event WHERE stream = ?1 AND version > ?2 ORDER BY version"
ONE_ANSWER = f"SELECT {ANSWER} FROM answer WHERE tenant = ?1 AND method = ?2 AND request_id = ?3"
WRITE_ENTRY = f"INSERT INTO event ({ENTRY}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
WRITE_ANSWER = f"INSERT INTO answer ({ANSWER}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
ERASE = "UPDATE event SET ciphertext = NULL WHERE stream = ?1 AND ciphertext IS NOT NULL"
MOVE_HEAD = (
    "UPDATE log_head SET position = ?1, recorded_us = ?2, root = ?5, edge = ?6 WHERE position = ?3 AND epoch = ?4"
)
WRITTEN = "SELECT leaf FROM event WHERE position > ?1 ORDER BY position"
WRITE_TILE = "INSERT INTO tile (level, number, hashes) VALUES (?1, ?2, ?3)"


def _entry_row(entry: Entry) -> Row:
    return (
        entry.position, entry.tenant, entry.stream, entry.version, entry.type, entry.recorded_us, entry.leaf,
        entry.ciphertext,
    )  # fmt: skip


def _answer_row(answer: Answered) -> Row:
    key = answer.key
    return (
        key.tenant, key.method, key.request_id, key.mac, answer.stream, answer.first, answer.last, answer.answer,
        answer.recorded_us,
    )  # fmt: skip


class SqliteTransaction:
    """See `ledger.Transaction`."""

    def __init__(self, work: SqliteWork) -> None:
        self._work = work
        self.head = Head(*work.first[0])

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        return await self._work.fetch(sql, *args)

    async def executemany(self, sql: str, rows: Iterable[Row]) -> None:
        await self._work.executemany(sql, rows)

    async def events_after(self, known: Sequence[tuple[bytes, int]]) -> Sequence[Entry]:
        wanted = sorted(dict(known).items())
        rows = await self._work.call(
            lambda connection: [row for one in wanted for row in connection.execute(NEWER_IN_STREAM, one)],
            len(wanted),
        )
        return [Entry(*row) for row in rows]

    async def answered(self, keys: Sequence[RequestKey]) -> Sequence[Answered]:
        wanted = {(key.tenant, key.method, key.request_id) for key in keys}
        rows = await self._work.call(
            lambda connection: [row for one in wanted for row in connection.execute(ONE_ANSWER, one)],
            len(wanted),
        )
        return [Answered(RequestKey(*row[:4]), *row[4:]) for row in rows]

    async def append(
        self,
        entries: Sequence[Entry],
        answers: Sequence[Answered],
        head: Head,
        hashes: Sequence[bytes],
        tiles: Sequence[FullTile] = (),
    ) -> None:
        refuse_gap(self.head, entries, hashes, head)
        entry_rows = [_entry_row(entry) for entry in entries]
        answer_rows = [_answer_row(answer) for answer in answers]
        tile_rows = [(tile.level, tile.number, tile.hashes) for tile in tiles]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(WRITE_ENTRY, entry_rows)
            connection.executemany(WRITE_ANSWER, answer_rows)
            connection.executemany(WRITE_TILE, tile_rows)
            fence = (head.position, head.recorded_us, self.head.position, self.head.epoch, head.root, head.edge)
            if connection.execute(MOVE_HEAD, fence).rowcount != 1:
                raise WriteRefused("the log head is not where this transaction found it")
            held = [leaf_hash(leaf) for (leaf,) in connection.execute(WRITTEN, (self.head.position,))]
            if held != list(hashes):
                raise WriteRefused("the rows are not what the root stands on")

        await self._work.call(write, len(entry_rows) + len(answer_rows))
        self.head = head


class SqliteStore:
    """See `ledger.Store`."""

    dialect: Dialect = "sqlite"

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    @classmethod
    async def open(
        cls,
        path: Path,
        service: str,
        migrations: Sequence[Migration],
        connection_class: type[sqlite3.Connection] = sqlite3.Connection,
    ) -> "SqliteStore":
        """Open or create the service's file; see `SqliteFile.open`."""
        return cls(await SqliteFile.open(path, log_schema(service, migrations), connection_class=connection_class))

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[SqliteTransaction]:
        async with self._file.transaction(READ_HEAD) as work:
            yield SqliteTransaction(work)

    async def read(self, sql: str, *args: Any) -> Sequence[Row]:
        return await self._file.read(sql, *args)

    async def head(self) -> Head:
        return Head(*(await self._file.read(READ_HEAD))[0])

    async def entries(
        self, after: int, limit: int, *, upto: int | None = None, tenant: str | None = None, types: Sequence[str] = ()
    ) -> Sequence[Entry]:
        sql, args = _range(ENTRY, after, limit, upto, tenant, types)
        return [Entry(*row) for row in await self._file.scan(sql, *args)]

    async def leaves(
        self, after: int, limit: int, *, upto: int, tenant: str | None, types: Sequence[str] = ()
    ) -> Sequence[tuple[int, bytes]]:
        sql, args = _range("position, leaf", after, limit, upto, tenant, types)
        rows: Sequence[Any] = await self._file.scan(sql, *args)
        return rows

    async def streams(self, streams: Sequence[bytes]) -> Sequence[Entry]:
        condition, args = among("sqlite", "stream", 1, streams)
        sql = f"SELECT {ENTRY} FROM event WHERE {condition} ORDER BY stream, version"
        return [Entry(*row) for row in await self._file.scan(sql, *args)]

    async def erase_ciphertexts(self, streams: Sequence[bytes]) -> None:
        rows = [(stream,) for stream in streams]

        def erase(connection: sqlite3.Connection) -> None:
            # Overwritten where they stand, in pages given back too, which FAST would leave as they are.
            connection.execute("PRAGMA secure_delete=ON")
            try:
                connection.executemany(ERASE, rows)
            finally:
                connection.execute("PRAGMA secure_delete=FAST")

        async with self._file.transaction(READ_HEAD) as work:
            await work.call(erase, 1 << 20)  # on the writer's thread: how many events there are is not known
        await self._file.empty_log()

    async def close(self) -> None:
        await self._file.close()


def _range(
    columns: str, after: int, limit: int, upto: int | None, tenant: str | None, types: Sequence[str]
) -> tuple[str, list[Any]]:
    sql = f"SELECT {columns} FROM event WHERE position > $1 AND position <= $2"
    args: list[Any] = [after, (1 << 63) - 1 if upto is None else upto, limit]
    if tenant is not None:
        args.append(tenant)
        sql += f" AND tenant = ${len(args)}"
    if types:
        args.append(json.dumps(list(types)))
        sql += f" AND type IN (SELECT value FROM json_each(${len(args)}))"
    return f"{sql} ORDER BY position LIMIT $3", args
