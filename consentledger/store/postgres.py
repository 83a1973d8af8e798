"""The log on PostgreSQL: several replicas over one database take turns on the log head.

See `ledger` for the contract and `postgres_server` for connections and durability. A transaction costs four round
trips and one for each thing asked in it: BEGIN, lock the head, `append` (entries, answers and head in one statement),
COMMIT.
"""

import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from consentledger.store.dialects import Dialect
from consentledger.store.ledger import Answered, Entry, FullTile, Head, RequestKey, Row, WriteRefused
from consentledger.store.postgres_server import PostgresServer, PostgresWork
from consentledger.store.schema import ANSWER, ENTRY, READ_HEAD, Migration, log_schema, refuse_gap

LOCK_HEAD = f"{READ_HEAD} FOR UPDATE"
ENTRY_OF_E = ", ".join(f"e.{column}" for column in ENTRY.split(", "))
ANSWER_OF_A = ", ".join(f"a.{column}" for column in ANSWER.split(", "))
NEWER_IN_STREAMS = (
    f"SELECT {ENTRY_OF_E} FROM unnest($1::bytea[], $2::bigint[]) AS known (stream, version) "
    "JOIN event e ON e.stream = known.stream AND e.version > known.version ORDER BY e.stream, e.version"
)
ANSWERS = (
    f"SELECT {ANSWER_OF_A} FROM unnest($1::text[], $2::text[], $3::bytea[]) AS key (tenant, method, request_id) "
    "JOIN answer a ON a.tenant = key.tenant AND a.method = key.method AND a.request_id = key.request_id"
)
ERASE = "UPDATE event SET ciphertext = NULL WHERE stream = ANY($1::bytea[]) AND ciphertext IS NOT NULL"
APPEND = (
    "WITH moved AS (UPDATE log_head SET position = $1, recorded_us = $2, root = $22, edge = $23 "
    "WHERE position = $3 AND epoch = $4 RETURNING 1), "
    f"events AS (INSERT INTO event ({ENTRY}) SELECT row.* FROM moved, unnest($5::bigint[], $6::text[], $7::bytea[], "
    "$8::bigint[], $9::text[], $10::bigint[], $11::bytea[], $12::bytea[]) AS row "
    "RETURNING position, sha256('\\x00'::bytea || leaf) AS hash), "
    f"answers AS (INSERT INTO answer ({ANSWER}) SELECT row.* FROM moved, unnest($13::text[], $14::text[], "
    "$15::bytea[], $16::bytea[], $17::bytea[], $18::bigint[], $19::bigint[], $20::bytea[], $21::bigint[]) AS row), "
    "tiles AS (INSERT INTO tile (level, number, hashes) SELECT row.* FROM moved, "
    "unnest($24::bigint[], $25::bigint[], $26::bytea[]) AS row) "
    "SELECT (SELECT count(*) FROM moved), (SELECT string_agg(hash, ''::bytea ORDER BY position) FROM events)"
)


class PostgresTransaction:
    """See `ledger.Transaction`."""

    def __init__(self, work: PostgresWork) -> None:
        self._work = work
        self.head = Head(*work.first[0])

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        return await self._work.fetch(sql, *args)

    async def executemany(self, sql: str, rows: Iterable[Row]) -> None:
        await self._work.executemany(sql, rows)

    async def events_after(self, known: Sequence[tuple[bytes, int]]) -> Sequence[Entry]:
        wanted = dict(known)
        rows = await self._work.fetch(NEWER_IN_STREAMS, list(wanted), list(wanted.values()))
        return [Entry(*row) for row in rows]

    async def answered(self, keys: Sequence[RequestKey]) -> Sequence[Answered]:
        wanted = {(key.tenant, key.method, key.request_id) for key in keys}
        columns = [list(column) for column in zip(*wanted, strict=True)] or [[], [], []]
        return [Answered(RequestKey(*row[:4]), *row[4:]) for row in await self._work.fetch(ANSWERS, *columns)]

    async def append(
        self,
        entries: Sequence[Entry],
        answers: Sequence[Answered],
        head: Head,
        hashes: Sequence[bytes],
        tiles: Sequence[FullTile] = (),
    ) -> None:
        refuse_gap(self.head, entries, hashes, head)
        [(moved, held)] = await self._work.fetch(
            APPEND,
            head.position,
            head.recorded_us,
            self.head.position,
            self.head.epoch,
            [entry.position for entry in entries],
            [entry.tenant for entry in entries],
            [entry.stream for entry in entries],
            [entry.version for entry in entries],
            [entry.type for entry in entries],
            [entry.recorded_us for entry in entries],
            [entry.leaf for entry in entries],
            [entry.ciphertext for entry in entries],
            [answer.key.tenant for answer in answers],
            [answer.key.method for answer in answers],
            [answer.key.request_id for answer in answers],
            [answer.key.mac for answer in answers],
            [answer.stream for answer in answers],
            [answer.first for answer in answers],
            [answer.last for answer in answers],
            [answer.answer for answer in answers],
            [answer.recorded_us for answer in answers],
            head.root,
            head.edge,
            [tile.level for tile in tiles],
            [tile.number for tile in tiles],
            [tile.hashes for tile in tiles],
        )
        if moved != 1:
            raise WriteRefused("the log head is not where this transaction found it")
        if (held or b"") != b"".join(hashes):
            raise WriteRefused("the rows are not what the root stands on")
        self.head = head


class PostgresStore:
    """See `ledger.Store`."""

    dialect: Dialect = "postgresql"

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    @classmethod
    async def open(cls, url: str, service: str, migrations: Sequence[Migration]) -> "PostgresStore":
        """Open the service's schema; see `PostgresServer.open`."""
        return cls(await PostgresServer.open(url, log_schema(service, migrations)))

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[PostgresTransaction]:
        async with self._server.transaction(LOCK_HEAD) as work:
            yield PostgresTransaction(work)

    async def read(self, sql: str, *args: Any) -> Sequence[Row]:
        return await self._server.read(sql, *args)

    async def head(self) -> Head:
        return Head(*(await self._server.read(READ_HEAD))[0])

    async def entries(
        self, after: int, limit: int, *, upto: int | None = None, tenant: str | None = None, types: Sequence[str] = ()
    ) -> Sequence[Entry]:
        sql, args = _range(ENTRY, after, limit, upto, tenant, types)
        return [Entry(*row) for row in await self._server.scan(sql, *args)]

    async def leaves(
        self, after: int, limit: int, *, upto: int, tenant: str | None, types: Sequence[str] = ()
    ) -> Sequence[tuple[int, bytes]]:
        sql, args = _range("position, leaf", after, limit, upto, tenant, types)
        rows: Sequence[Any] = await self._server.scan(sql, *args)
        return rows

    async def streams(self, streams: Sequence[bytes]) -> Sequence[Entry]:
        sql = f"SELECT {ENTRY} FROM event WHERE stream = ANY($1::bytea[]) ORDER BY stream, version"
        return [Entry(*row) for row in await self._server.scan(sql, list(streams))]

    async def erase_ciphertexts(self, streams: Sequence[bytes]) -> None:
        # Not under the head's lock. What VACUUM has not yet taken from pages and logs is ciphertext without its key.
        async with self._server.transaction("SELECT 1") as work:
            await work.executemany(ERASE, [(list(streams),)])

    async def close(self) -> None:
        await self._server.close()


def _range(
    columns: str, after: int, limit: int, upto: int | None, tenant: str | None, types: Sequence[str]
) -> tuple[str, list[Any]]:
    sql = f"SELECT {columns} FROM event WHERE position > $1 AND position <= $2"
    args: list[Any] = [after, (1 << 63) - 1 if upto is None else upto, limit]
    if tenant is not None:
        args.append(tenant)
        sql += f" AND tenant = ${len(args)}"
    if types:
        args.append(list(types))
        sql += f" AND type = ANY(${len(args)}::text[])"
    return f"{sql} ORDER BY position LIMIT $3", args
