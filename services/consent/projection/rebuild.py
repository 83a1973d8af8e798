"""Dropping the tables and making them again from the log, while writing goes on.

- Streams are folded one after another into shadow tables, outside any lock; then those that were written meanwhile,
  until few are left.
- Then, in one transaction that holds the log's head: the last few are folded, both digests are taken, and the shadows
  take the tables' names. A crash before that commit leaves the old tables as they were.
- Rows are made by the same code as in normal work (`tables.Rows`).
- Two rebuilds at once disturb each other; the shadows are counted against the log before they are taken, so that no
  partial table ever is.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consentledger.store.dialects import render
from consentledger.store.ledger import Entry, Store, StoreUnavailable, Transaction
from services.consent.domain.erasure import KeyDestroyed
from services.consent.memory import Aggregates
from services.consent.projection.erasures import FORGET_ANSWERS
from services.consent.projection.tables import KEYS, Rows, create

SHADOW = "_rebuild"
_CHUNK = 500
_FEW = 100
_PAGE = 5_000
# An event of no tenant is about the log itself.
_STREAMS = "SELECT stream FROM event WHERE version = 1 AND tenant <> '' AND stream > $1 ORDER BY stream LIMIT $2"
_COUNT = "SELECT count(*) FROM event WHERE version = 1 AND tenant <> ''"
_SHADOWED = f"SELECT (SELECT count(*) FROM person{SHADOW}) + (SELECT count(*) FROM catalogue{SHADOW})"
_SINCE = "SELECT DISTINCT stream FROM event WHERE position > $1 AND position <= $2 AND tenant <> ''"


class Disturbed(StoreUnavailable):
    """The shadows are not whole: another rebuild ran at the same time."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild found."""

    streams: int
    before: str
    """SHA-256 of the tables as they were."""
    after: str
    """SHA-256 of the tables as replay makes them."""


async def rebuild(store: Store, progress: Callable[[int, int], None] = lambda done, of: None) -> Rebuilt:
    """Rebuild every table. `progress(streams done, streams in all)` is called now and then. Raises Disturbed."""
    folded = (await store.head()).position
    total = int((await store.read(_COUNT))[0][0])
    async with store.write() as tx:
        for table in KEYS:
            await _run(tx, f"DROP TABLE IF EXISTS {table}{SHADOW}")
        for sql in create(SHADOW, f"_{secrets.token_hex(4)}"):
            await _run(tx, render(store.dialect, sql))
    done, last = 0, b""
    while found := [row[0] for row in await store.read(_STREAMS, last, _CHUNK)]:
        rows = fold(await store.streams(found))
        async with store.write() as tx:
            await _replace(tx, found, rows)
        done, last = done + len(found), found[-1]
        progress(done, max(total, done))
    while True:
        head = (await store.head()).position
        changed = [row[0] for row in await store.read(_SINCE, folded, head)]
        if len(changed) <= _FEW:
            break
        for some in _chunks(changed):
            rows = fold(await store.streams(some))
            async with store.write() as tx:
                await _replace(tx, some, rows)
        folded = head
    async with store.write() as tx:
        return await _finish(tx, folded, done)


async def refold(tx: Transaction, streams: Sequence[bytes]) -> None:
    """Make the rows of these streams anew in the tables themselves, in a transaction that added to them."""
    for some in _chunks(streams):
        entries = [entry for entry in await tx.events_after([(stream, 0) for stream in some]) if entry.tenant]
        await _clear(tx, some, "")
        await fold(entries).flush(tx)
        gone = {entry.stream for entry in entries if entry.type == KeyDestroyed.TOPIC}
        await tx.executemany(FORGET_ANSWERS, [(person, b"") for person in sorted(gone)])


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


async def _finish(tx: Transaction, folded: int, done: int) -> Rebuilt:
    for some in _chunks([row[0] for row in await tx.fetch(_SINCE, folded, tx.head.position)]):
        await _replace(tx, some, fold(await tx.events_after([(stream, 0) for stream in some])))
    if await tx.fetch(_SHADOWED) != await tx.fetch(_COUNT):
        raise Disturbed("another rebuild ran at the same time: run it again")
    before, after = await digest(tx), await digest(tx, SHADOW)
    for table in KEYS:
        await _run(tx, f"DROP TABLE {table}")
        await _run(tx, f"ALTER TABLE {table}{SHADOW} RENAME TO {table}")
    return Rebuilt(done, before, after)


async def _replace(tx: Transaction, streams: Sequence[bytes], rows: Rows) -> None:
    await _clear(tx, streams, SHADOW)
    await rows.flush(tx, SHADOW)


async def _clear(tx: Transaction, streams: Sequence[bytes], suffix: str) -> None:
    for table in KEYS:
        column = "stream" if table == "catalogue" else "person"
        await tx.executemany(f"DELETE FROM {table}{suffix} WHERE {column} = $1", [(s,) for s in streams])


def _chunks(streams: Sequence[bytes]) -> list[Sequence[bytes]]:
    return [streams[n : n + _CHUNK] for n in range(0, len(streams), _CHUNK)]


def fold(entries: Sequence[Entry]) -> Rows:
    """The rows that whole streams come to."""
    memory = Aggregates(limit=1 << 30)
    memory.absorb(entries)
    rows = Rows()
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
