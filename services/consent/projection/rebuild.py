"""Dropping the tables and making them again from the log, while writing goes on.

- Streams are folded one after another into shadow tables, outside any lock.
- Then, in one transaction that holds the log's head: what was written meanwhile is folded again, both digests are
  taken, and the shadows take the tables' place. A crash before that commit leaves the old tables as they were.
- Rows are made by the same code as in normal work (`tables.Rows`).
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consentledger.store.ledger import Entry, Store, Transaction
from services.consent.memory import Aggregates
from services.consent.projection.tables import KEYS, Rows

_CHUNK = 500
_PAGE = 5_000
_STREAMS = "SELECT stream FROM event WHERE version = 1 AND stream > $1 ORDER BY stream LIMIT $2"
_COUNT = "SELECT count(*) FROM event WHERE version = 1"
_SINCE = "SELECT DISTINCT stream FROM event WHERE position > $1"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild found."""

    streams: int
    before: str
    """SHA-256 of the tables as they were."""
    after: str
    """SHA-256 of the tables as replay makes them."""


async def rebuild(store: Store, progress: Callable[[int, int], None] = lambda done, of: None) -> Rebuilt:
    """Rebuild every table. `progress(streams done, streams in all)` is called now and then."""
    start = (await store.head()).position
    total = int((await store.read(_COUNT))[0][0])
    async with store.write() as tx:
        for table in KEYS:
            await _run(tx, f"DROP TABLE IF EXISTS {table}_rebuild")
            await _run(tx, f"CREATE TABLE {table}_rebuild AS SELECT * FROM {table} WHERE 1 = 0")
    done, last = 0, b""
    while found := [row[0] for row in await store.read(_STREAMS, last, _CHUNK)]:
        rows = _fold(await store.streams(found))
        async with store.write() as tx:
            await rows.flush(tx, "_rebuild")
        done, last = done + len(found), found[-1]
        progress(done, max(total, done))
    async with store.write() as tx:
        return await _finish(tx, start, done)


async def digest(tx: Transaction, suffix: str = "") -> str:
    """The digest of all tables: every row, by table and key."""
    sha = hashlib.sha256()
    for table, key in KEYS.items():
        sha.update(table.encode())
        columns = ", ".join(key)
        after: tuple[object, ...] = ()
        while True:
            where = ""
            if after:
                where = f"WHERE ({columns}) > ({', '.join(f'${n + 1}' for n in range(len(after)))})"
            sql = f"SELECT {columns}, t.* FROM {table}{suffix} t {where} ORDER BY {columns} LIMIT {_PAGE}"
            rows = await tx.fetch(sql, *after)
            for row in rows:
                sha.update(repr(tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)).encode())
            if len(rows) < _PAGE:
                break
            after = tuple(rows[-1][: len(key)])
    return sha.hexdigest()


async def _finish(tx: Transaction, start: int, done: int) -> Rebuilt:
    changed = [row[0] for row in await tx.fetch(_SINCE, start)]
    for n in range(0, len(changed), _CHUNK):
        some = changed[n : n + _CHUNK]
        rows = _fold(await tx.events_after([(stream, 0) for stream in some]))
        for table in KEYS:
            if table == "catalogue":
                await tx.executemany("DELETE FROM catalogue_rebuild WHERE stream = $1", [(s,) for s in some])
            else:
                await tx.executemany(f"DELETE FROM {table}_rebuild WHERE person = $1", [(s,) for s in some])
        await rows.flush(tx, "_rebuild")
    before, after = await digest(tx), await digest(tx, "_rebuild")
    for table in KEYS:
        await _run(tx, f"DELETE FROM {table}")
        await _run(tx, f"INSERT INTO {table} SELECT * FROM {table}_rebuild")
        await _run(tx, f"DROP TABLE {table}_rebuild")
    return Rebuilt(done, before, after)


def _fold(entries: Sequence[Entry]) -> Rows:
    memory = Aggregates(limit=1 << 30)
    memory.absorb(entries)
    rows = Rows.none()
    for stream, tenant in {e.stream: e.tenant for e in entries}.items():
        catalogue, person = memory.catalogue(stream), memory.person(stream)
        if catalogue is not None:
            rows.add_catalogue(catalogue)
        elif person is not None:
            rows.add_person(tenant, person, sorted(person.state.acts))
            rows.add_links(person)
            rows.add_preferences(person)
    return rows


async def _run(tx: Transaction, sql: str) -> None:
    await tx.executemany(sql, [()])
