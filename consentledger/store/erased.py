"""What erasure does to the key store, in one transaction, and what it leaves there.

- A person's wrapped key and identifiers go. What stays says that they went: the key's id (the SHA-256 of the wrapped
  key), its epoch, when, and what the caller wants to know again after a crash. Nothing of it names anybody.
- Refusals that outlive the person are kept in the same transaction under another blind index, made with a pepper of
  its own: there is no moment at which an identifier leads neither to a person nor to what they refused. Whoever is made
  anew for that identifier is given them.
- Done twice, by this process or another, it is done once; what the first kept is what all get.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consentledger.crypto.provider import KeyUnavailable
from consentledger.crypto.wrapped import epoch_of
from consentledger.store.database import Database, Work
from consentledger.store.dialects import among
from consentledger.store.ledger import Row

_HOLD = "UPDATE person_key SET created_us = created_us WHERE person = $1"
_COLUMNS = "person, key_id, key_epoch, destroyed_us, kept"
_WRITE = (
    "INSERT INTO destroyed (person, key_id, key_epoch, destroyed_us, kept, erasure) "
    "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (person) DO NOTHING"
)
_KEEP = (
    "INSERT INTO suppression (tenant, blind, refusals) VALUES ($1, $2, $3) "
    "ON CONFLICT (tenant, blind) DO UPDATE SET refusals = excluded.refusals"
)
_DROP = "DELETE FROM suppression WHERE tenant = $1 AND blind = $2"


@dataclass(frozen=True, slots=True)
class Destroyed:
    """One key that is gone."""

    person: bytes
    key_id: bytes
    """32 bytes; empty if there was no key any more."""
    key_epoch: int
    destroyed_us: int
    kept: bytes
    """What the caller gave to be kept."""


@dataclass(frozen=True, slots=True)
class Order:
    """Whose keys to destroy. All of them go, or none."""

    tenant: str
    erasure: bytes
    """16 bytes."""
    persons: Mapping[bytes, bytes]
    """Person -> what to keep beside the id of the key."""
    refusals: Mapping[bytes, str | None]
    """Blind index under the refusals' own pepper -> what its identifier refused; None: nothing, and nothing stays."""


class Erased:
    """See the module's rules."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def destroy(self, order: Order, now_us: int) -> list[Destroyed]:
        """Destroy, durably, and scrub what was there. On StoreUnavailable it must be repeated, or `scrub` called."""
        persons = sorted(order.persons)
        async with self._database.transaction("SELECT 1") as work:
            # Held until the end: whoever destroys or wraps the same keys meanwhile waits.
            await work.executemany(_HOLD, [(person,) for person in persons])
            before = {row[0] for row in await self._among(work, "SELECT person FROM destroyed", persons)}
            new = [person for person in persons if person not in before]
            values: list[bytes] = []
            if new:
                values = await self._remove(work, order, new, now_us)
        # Rows that were gone before may have been deleted by a call that a crash stopped here.
        await self._database.scrub(None if before else values)
        return await self.of(order.erasure)

    async def scrub(self) -> None:
        """Make what was deleted before unreadable: a crash may have come between a commit and that."""
        await self._database.scrub(None)

    async def of(self, erasure: bytes) -> list[Destroyed]:
        """The keys that an erasure has destroyed, by person."""
        sql = f"SELECT {_COLUMNS} FROM destroyed WHERE erasure = $1 ORDER BY person"
        return [Destroyed(*row) for row in await self._database.scan(sql, erasure)]

    async def refusals(self, tenant: str, blinds: Sequence[bytes]) -> dict[bytes, str]:
        """What is kept for identifiers that lead to nobody; at most 1,000 at once."""
        condition, args = among(self._database.dialect, "blind", 2, blinds)
        look = self._database.read if len(blinds) <= 64 else self._database.scan
        rows = await look(f"SELECT blind, refusals FROM suppression WHERE tenant = $1 AND {condition}", tenant, *args)
        return {row[0]: row[1] for row in rows}

    async def _remove(self, work: Work, order: Order, persons: Sequence[bytes], now_us: int) -> list[bytes]:
        """Remove the rows, write what stays; the values that must not be found in the files any more."""
        found = await self._among(work, "SELECT person, wrapped FROM person_key", persons)
        wrapped: dict[bytes, bytes] = {row[0]: row[1] for row in found}
        values = list(wrapped.values())
        for row in await self._among(work, "SELECT sealed, blind FROM identifier", persons):
            values.extend(row)
        rows = [(p, *_named(wrapped.get(p)), now_us, order.persons[p], order.erasure) for p in persons]
        await work.executemany(_WRITE, rows)
        for table in ("identifier", "person_key"):
            await work.executemany(f"DELETE FROM {table} WHERE person = $1", [(person,) for person in persons])
        kept = {blind: refusals for blind, refusals in order.refusals.items() if refusals is not None}
        await work.executemany(_KEEP, [(order.tenant, *one) for one in sorted(kept.items())])
        await work.executemany(_DROP, [(order.tenant, blind) for blind in sorted(order.refusals) if blind not in kept])
        return values

    async def _among(self, work: Work, select: str, persons: Sequence[bytes]) -> Sequence[Row]:
        condition, args = among(self._database.dialect, "person", 1, persons)
        return await work.fetch(f"{select} WHERE {condition}", *args)


def _named(wrapped: bytes | None) -> tuple[bytes, int]:
    """(key id, epoch) of a wrapped key."""
    if wrapped is None:
        return b"", 0
    try:
        epoch = epoch_of(wrapped)
    except KeyUnavailable:  # of no format that is known here: it goes all the same
        epoch = 0
    return hashlib.sha256(wrapped).digest(), epoch
