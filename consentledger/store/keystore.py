"""Wrapped person keys and the identifier index: a database of its own, so that destroying a key leaves no event behind.

What is here is opaque: blind indexes, sealed identifiers, wrapped keys. Nothing is sealed or opened here, and nothing
is cached. The rules:

- What `create` returned is durable. A blind index keeps the person that it first got until `remove`; the loser of a
  race is given the winner's.
- Calls of `create` that arrive while one is being written share the next transaction.
- `find` knows only what exists; absence is an answer for this moment only.
- A key wrapped under an epoch that is about to be destroyed is not taken in; see `epochs`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consentledger.store.database import Database, Work
from consentledger.store.dialects import among, render
from consentledger.store.epochs import FLOOR, Epochs, refuse_below
from consentledger.store.erased import Erased
from consentledger.store.ledger import Row, StoreUnavailable

MOST_AT_ONCE = 1_000
"""Persons that one transaction creates, and values that one statement looks for."""
SMALL = 64
"""Up to so many blind indexes are looked up without leaving the event loop's thread (SQLite)."""


@dataclass(frozen=True, slots=True)
class Known:
    """A person that a blind index leads to."""

    person: bytes
    """16 bytes."""
    wrapped: bytes
    """The person's data key, wrapped by the key provider."""
    created_us: int
    """When the person was made here, or last touched."""
    refusals: str | None = None
    """What the identifier had refused before an erasure; see `erased`."""


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A person never seen, with the identifier that they are seen by."""

    tenant: str
    blind: bytes
    """32 bytes; see `crypto.blind`."""
    person: bytes
    """16 fresh random bytes. A person that exists is never given a key again: it may be one just erased."""
    wrapped: bytes
    namespace: str
    sealed: bytes
    """The identifier, sealed under the person's data key."""
    created_us: int
    refusal_blind: bytes = b""
    """The identifier's index under the refusals' own pepper; see `erased`."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """One identifier of a person."""

    person: bytes
    namespace: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Created:
    """When a person was created: for the sweep of those that never got an event."""

    person: bytes
    tenant: str
    created_us: int


class KeyStore:
    """See the module's rules."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.epochs = Epochs(database)
        """Which epoch the keys are wrapped under, and wrapping them anew."""
        self.erased = Erased(database)
        """Destroying keys, and what stays of it."""
        self._waiting: list[tuple[Sequence[NewPerson], asyncio.Future[dict[tuple[str, bytes], Known]]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def bind(self, epoch: int, fresh: bytes) -> tuple[bytes, int]:
        """(this key store's id, the epoch of the log it belongs to); `fresh` and `epoch` if it belongs to none yet."""
        async with self._database.transaction("SELECT keystore, epoch FROM bound_to") as work:
            if not work.first:
                sql = "INSERT INTO bound_to (only_row, keystore, epoch) VALUES (1, $1, $2) ON CONFLICT DO NOTHING"
                await work.executemany(sql, [(fresh, epoch)])
            [(keystore, bound)] = await work.fetch("SELECT keystore, epoch FROM bound_to")
            return keystore, bound

    async def find(self, tenant: str, blinds: Sequence[bytes]) -> dict[bytes, Known]:
        """The persons of those blind indexes that exist."""
        found: dict[bytes, Known] = {}
        look = self._database.read if len(blinds) <= SMALL else self._database.scan
        for some in _chunks(blinds):
            sql, args = self._lookup(tenant, some)
            found.update((row[0], Known(*row[1:])) for row in await look(sql, *args))
        return found

    def _lookup(self, tenant: str, blinds: Sequence[bytes]) -> tuple[str, list[Any]]:
        condition, args = among(self._database.dialect, "i.blind", 2, blinds)
        sql = (
            "SELECT i.blind, k.person, k.wrapped, k.created_us, k.refusals FROM identifier i "
            "JOIN person_key k ON k.person = i.person "
            f"WHERE i.tenant = $1 AND {condition}"
        )
        return sql, [tenant, *args]

    async def create(self, new: Sequence[NewPerson]) -> dict[tuple[str, bytes], Known]:
        """Add persons; the answer holds for each (tenant, blind) the person that it leads to now, durably.

        A call that is cancelled may have been carried out. After OutcomeUnknown, call again.
        """
        if not new:
            return {}
        answer: asyncio.Future[dict[tuple[str, bytes], Known]] = asyncio.get_running_loop().create_future()
        self._waiting.append((new, answer))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        return await answer

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch, size = [], 0
                while self._waiting and size < MOST_AT_ONCE:
                    batch.append(self._waiting.pop(0))
                    size += len(batch[-1][0])
                await self._write([(new, answer) for new, answer in batch if not answer.done()])
        finally:
            self._writing = None
            for _, answer in self._waiting:  # only if this task was cancelled
                answer.cancel()
            self._waiting = []

    async def _write(
        self, batch: Sequence[tuple[Sequence[NewPerson], asyncio.Future[dict[tuple[str, bytes], Known]]]]
    ) -> None:
        # In one order everywhere, so that two replicas cannot wait for each other; the first of a blind index wins.
        wanted = sorted((one for new, _ in batch for one in new), key=lambda one: (one.tenant, one.blind))
        try:
            known = await self._insert(wanted)
        except asyncio.CancelledError:
            for _, answer in batch:
                answer.cancel()
            raise
        except Exception as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for new, answer in batch:
            if not answer.done():
                answer.set_result({(one.tenant, one.blind): known[one.tenant, one.blind] for one in new})

    async def _insert(self, wanted: Sequence[NewPerson]) -> dict[tuple[str, bytes], Known]:
        dialect = self._database.dialect
        async with self._database.transaction(render(dialect, FLOOR)) as work:
            refuse_below(work.first[0][0], [one.wrapped for one in wanted])
            await work.executemany(
                "INSERT INTO identifier (tenant, blind, person, namespace, sealed, created_us) "
                "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, blind) DO NOTHING",
                [(one.tenant, one.blind, one.person, one.namespace, one.sealed, one.created_us) for one in wanted],
            )
            await work.executemany(
                render(
                    dialect,
                    "INSERT INTO person_key (person, tenant, wrapped, created_us, refusals) "
                    "SELECT i.person, i.tenant, CAST($4 AS {bytes}), CAST($5 AS {int}), (SELECT s.refusals "
                    "FROM suppression s WHERE s.tenant = i.tenant AND s.blind = $6) FROM identifier i "
                    "WHERE i.tenant = $1 AND i.blind = $2 AND i.person = $3 ON CONFLICT (person) DO NOTHING",
                ),
                [(o.tenant, o.blind, o.person, o.wrapped, o.created_us, o.refusal_blind) for o in wanted],
            )
            return await self._winners(work, wanted)

    async def _winners(self, work: Work, wanted: Sequence[NewPerson]) -> dict[tuple[str, bytes], Known]:
        winners: dict[tuple[str, bytes], Known] = {}
        for tenant in dict.fromkeys(one.tenant for one in wanted):
            for blinds in _chunks([one.blind for one in wanted if one.tenant == tenant]):
                sql, args = self._lookup(tenant, blinds)
                rows = await work.fetch(sql, *args)
                winners.update(((tenant, row[0]), Known(*row[1:])) for row in rows)
        if any((one.tenant, one.blind) not in winners for one in wanted):
            raise StoreUnavailable("a person was removed while their identifier was being added")
        return winners

    async def wrapped(self, persons: Sequence[bytes]) -> dict[bytes, bytes]:
        """The wrapped keys of those persons that have one."""
        rows = await self._of_persons("SELECT person, wrapped FROM person_key WHERE", persons)
        return {row[0]: row[1] for row in rows}

    async def identifiers(self, persons: Sequence[bytes], namespace: str | None = None) -> list[Identifier]:
        """The identifiers of the persons, of one namespace or all, oldest first."""
        select = "SELECT person, namespace, sealed, created_us, blind FROM identifier WHERE"
        rows = await self._of_persons(select, persons)
        rows.sort(key=lambda row: (row[3], row[4]))
        return [Identifier(*row[:3]) for row in rows if namespace in (None, row[1])]

    async def _of_persons(self, select: str, persons: Sequence[bytes]) -> list[Row]:
        rows: list[Row] = []
        look = self._database.read if len(persons) <= SMALL else self._database.scan
        for some in _chunks(persons):
            condition, args = among(self._database.dialect, "person", 1, some)
            rows.extend(await look(f"{select} {condition}", *args))
        return rows

    async def orphans(self, before_us: int, limit: int, *, after_us: int = 0) -> list[Created]:
        """Persons created in [`after_us`, `before_us`), oldest first: those that MAY have no event; the caller knows.

        A page that is full is continued with its last `created_us` as `after_us`; some persons then come twice.
        """
        rows = await self._database.scan(
            "SELECT person, tenant, created_us FROM person_key WHERE created_us >= $1 AND created_us < $2 "
            "ORDER BY created_us, person LIMIT $3",
            after_us, before_us, limit,
        )  # fmt: skip
        return [Created(*row) for row in rows]

    async def touch(self, persons: Sequence[bytes], now_us: int) -> set[bytes]:
        """Count these persons as made now, so that no sweep takes them; those that are still there, durably."""
        async with self._database.transaction("SELECT 1") as work:
            sql = "UPDATE person_key SET created_us = $2 WHERE person = $1"
            await work.executemany(sql, [(person, now_us) for person in persons])
            condition, args = among(self._database.dialect, "person", 1, persons)
            return {row[0] for row in await work.fetch(f"SELECT person FROM person_key WHERE {condition}", *args)}

    async def remove(self, persons: Sequence[bytes], *, before_us: int = 1 << 62) -> None:
        """Destroy the persons' keys and identifiers. Safe to repeat; on StoreUnavailable it must be repeated.

        Those made or touched at `before_us` or later are left alone.
        """
        values: list[bytes] = []
        met: set[bytes] = set()
        async with self._database.transaction("SELECT 1") as work:
            for some in _chunks(persons):
                condition, args = among(self._database.dialect, "person", 1, some)
                # Held until the end, so that nobody touches one between the look at its age and its removal.
                hold = "UPDATE person_key SET created_us = created_us WHERE person = $1"
                await work.executemany(hold, [(one,) for one in sorted(some)])
                sql = f"SELECT person, wrapped, created_us FROM person_key WHERE {condition}"
                found = await work.fetch(sql, *args)
                spared = {row[0] for row in found if row[2] >= before_us}
                some = [one for one in some if one not in spared]
                if not some:
                    continue
                condition, args = among(self._database.dialect, "person", 1, some)
                met.update(row[0] for row in found)
                values += [row[1] for row in found if row[0] not in spared]
                for row in await work.fetch(f"SELECT sealed, blind FROM identifier WHERE {condition}", *args):
                    values.extend(row)
                for table in ("identifier", "person_key"):
                    await work.executemany(f"DELETE FROM {table} WHERE person = $1", [(one,) for one in some])
        # Rows that were gone before may have been deleted by a call that a crash stopped here.
        await self._database.scrub(values if met == set(persons) else None)

    async def close(self) -> None:
        """Finish what is being written and close the database. Never raises."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
        await self._database.close()


def _chunks(values: Sequence[bytes]) -> list[Sequence[bytes]]:
    unique = list(dict.fromkeys(values))
    return [unique[start : start + MOST_AT_ONCE] for start in range(0, len(unique), MOST_AT_ONCE)]
