"""Erasures: which are open, what is known of one, and what goes from beside the log when a person ends.

- Everybody who is being erased, or was, has one row, made from their own stream alone.
- `FORGET` runs in the transaction that ends a person: until then answers about them could still be added.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consentledger.store.ledger import Row, Store, Transaction
from services.consent.domain.state import Erasing

KEEPS_ITS_ANSWER = "EraseSubject"
"""The answer to the erasing request is the one handle on the erasure, and names nobody."""
FORGET_ANSWERS = (
    f"UPDATE answer SET mac = $2, answer = CASE WHEN method = '{KEEPS_ITS_ANSWER}' THEN answer ELSE $2 END "
    "WHERE stream = $1"
)
FORGET = ("UPDATE event SET ciphertext = NULL WHERE stream = $1 AND ciphertext IS NOT NULL", FORGET_ANSWERS)
"""What is left of a request about an erased person is its id; see `Answered`. A seal written meanwhile goes too."""
_COLUMNS = "person, tenant, erasure, position, started_us, until_us, suppressed, attested"
_OPEN = f"SELECT {_COLUMNS} FROM erasure WHERE attested IS NULL AND position > $1 ORDER BY position LIMIT $2"
_ENDED = "SELECT person, attested FROM erasure WHERE attested > $1 ORDER BY attested LIMIT $2"
_ONE = f"SELECT {_COLUMNS} FROM erasure WHERE erasure = $1 AND tenant = $2 ORDER BY position"
_ANSWERED = "SELECT mac, answer FROM answer WHERE tenant = $1 AND method = $2 AND request_id = $3"


@dataclass(frozen=True, slots=True)
class Part:
    """One person of an erasure."""

    person: bytes
    tenant: str
    erasing: Erasing

    @classmethod
    def of(cls, row: Row) -> "Part":
        """From the row."""
        person, tenant, id, position, started_us, until_us, suppressed, attested = row
        return cls(person, tenant, Erasing(id, position, started_us, until_us, bool(suppressed), attested))

    def row(self) -> Row:
        """To the row."""
        e = self.erasing
        return (self.person, self.tenant, e.id, e.position, e.started_us, e.until_us, int(e.suppressed), e.attested)


async def open_parts(store: Store, after: int, limit: int) -> list[Part]:
    """Those behind a position whose end is not attested, in the order of the log."""
    return [Part.of(row) for row in await store.read(_OPEN, after, limit)]


async def ended(store: Store, after: int, limit: int) -> list[tuple[bytes, int]]:
    """(person, position) of those whose end is attested behind a position."""
    return [(row[0], row[1]) for row in await store.read(_ENDED, after, limit)]


async def erasure(store: Store, tenant: str, id: bytes) -> list[Part]:
    """Everybody of one erasure; none if the tenant has no such."""
    return [Part.of(row) for row in await store.read(_ONE, id, tenant)]


async def answered(store: Store, tenant: str, method: str, request_id: bytes) -> tuple[bytes, bytes] | None:
    """(MAC, answer) of a request, if it was answered; see `FORGET` for what erasure leaves of it."""
    rows = await store.read(_ANSWERED, tenant, method, request_id)
    return (rows[0][0], rows[0][1]) if rows else None


async def forget(tx: Transaction, persons: Sequence[bytes]) -> None:
    """Remove what stands beside the log about persons who have just ended."""
    seal, answer = FORGET
    await tx.executemany(seal, [(person,) for person in persons])
    await tx.executemany(answer, [(person, b"") for person in persons])
