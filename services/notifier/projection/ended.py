"""Persons who were erased, each with the newest message numbered when they ended, and whether theirs are purged.

It follows from nothing in our log, as `dispatch` does not; a rebuild leaves it alone.
"""

from collections.abc import Sequence

from consentledger.store.dialects import render
from consentledger.store.ledger import Store

NOT_ENDED = "NOT EXISTS (SELECT 1 FROM ended e WHERE e.person = obligation.person)"
"""Of obligations: those about somebody whom a message could still name. The others stay as they are."""
_NOTE = (
    "INSERT INTO ended (person, tenant, dispatch, purged) "
    "SELECT CAST($1 AS {bytes}), CAST($2 AS text), coalesce(max(seq), 0), 0 FROM dispatch WHERE 1 = 1 "
    "ON CONFLICT (person) DO NOTHING"
)
_DUE = "SELECT person, tenant FROM ended WHERE purged = 0 AND dispatch <= $1 ORDER BY person LIMIT 1000"


async def note(store: Store, ended: Sequence[tuple[bytes, str]]) -> None:
    """Keep these (person, tenant). Under the log head's lock, like everything that looks at the newest number."""
    async with store.write() as tx:
        await tx.executemany(render(store.dialect, _NOTE), ended)


async def due(store: Store, published: int) -> list[tuple[bytes, str]]:
    """(person, tenant) of up to 1,000 who are not purged, and whose messages are all in the stream."""
    return [(row[0], row[1]) for row in await store.read(_DUE, published)]


async def any_left(store: Store) -> bool:
    """Whether anybody is still to be purged."""
    return bool(await store.read("SELECT 1 FROM ended WHERE purged = 0 LIMIT 1"))


async def done(store: Store, person: bytes) -> None:
    """This one is purged."""
    async with store.write() as tx:
        await tx.executemany("UPDATE ended SET purged = 1 WHERE person = $1", [(person,)])
