"""The rows behind a check, read in one statement on one snapshot: head, catalogue version, the person, those linked.

Reads only. PostgreSQL takes the questions as arrays, SQLite as a table of values, padded to few sizes so that its
statement cache holds them all. What is stored stays packed until a decision needs it.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, TypeAlias

from consentledger.store.ledger import Store
from services.consent.domain.state import PersonState
from services.consent.projection.packing import unpack_state

Question: TypeAlias = tuple[str, bytes, str]
"""(tenant, person or b"" for one never seen, purpose)."""

_HEAD = "SELECT q.i, (SELECT position FROM log_head), c.version, p.flags, s.act FROM q "
_CATALOGUE = "LEFT JOIN catalogue c ON c.tenant = q.tenant"
_OWN = """
LEFT JOIN person p ON p.person = q.person
LEFT JOIN consent_state s ON s.person = q.person AND s.purpose = q.purpose
UNION ALL
SELECT -1 - q.i, 0, 0, p.flags, s.act FROM q
JOIN person_link l ON l.person = q.person
LEFT JOIN person p ON p.person = l.member
LEFT JOIN consent_state s ON s.person = l.member AND s.purpose = q.purpose"""

_ARRAYS = (
    "WITH q AS (SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::text[]) "
    "AS t (i, tenant, person, purpose)) " + _HEAD + _CATALOGUE + _OWN
)
_ONE = """
SELECT 0, (SELECT position FROM log_head), c.version, p.flags, s.act FROM (SELECT 1) one
LEFT JOIN catalogue c ON c.tenant = $1
LEFT JOIN person p ON p.person = $2
LEFT JOIN consent_state s ON s.person = $2 AND s.purpose = $3
UNION ALL
SELECT -1, 0, 0, p.flags, s.act FROM person_link l
LEFT JOIN person p ON p.person = l.member
LEFT JOIN consent_state s ON s.person = l.member AND s.purpose = $3
WHERE l.person = $2"""
_SIZES = (4, 16, 64, 256, 1_000, 2_500, 5_000, 10_000)


class Found:
    """What is stored about one question, packed. `act` is the person's own; `linked` is (flags, act) of the others."""

    __slots__ = ("act", "catalogue_version", "flags", "linked", "position")

    def __init__(self, position: int, catalogue_version: int, flags: bytes | None, act: bytes | None) -> None:
        self.position = position
        """The log's head in the snapshot."""
        self.catalogue_version = catalogue_version
        """0 if the tenant does not exist."""
        self.flags = flags
        self.act = act
        self.linked: tuple[tuple[bytes | None, bytes | None], ...] = ()

    def persons(self, purpose: str) -> list[PersonState]:
        """The person first, then those linked; only flags and this purpose's act are filled in."""
        return [unpack_state(f, purpose, a) for f, a in ((self.flags, self.act), *self.linked)]


async def read(store: Store, questions: Sequence[Question]) -> list[Found]:
    """Answers in the order of the questions, all from one snapshot that holds everything committed before the call."""
    if len(questions) == 1:
        rows = await store.read(_ONE, *questions[0])
    elif store.dialect == "postgresql":
        tenants, persons, purposes = zip(*questions, strict=True)
        rows = await store.read(_ARRAYS, range(len(questions)), tenants, persons, purposes)
    else:
        rows = await _read_values(store, questions)
    found: list[Any] = [None] * len(questions)
    linked = []
    for i, position, version, flags, act in rows:
        if i >= 0:
            found[i] = Found(position, version or 0, flags, act)
        else:
            linked.append((-1 - i, flags, act))
    for i, flags, act in linked:
        found[i].linked += ((flags, act),)
    return found


async def _read_values(store: Store, questions: Sequence[Question]) -> Sequence[Any]:
    """On SQLite. Padding asks for nobody, and is cut off."""
    count = len(questions)
    size = next(s for s in _SIZES if s >= count)
    rows = await store.read(_values(size), *chain.from_iterable(questions), *("", b"", "") * (size - count))
    return rows if size == count else [row for row in rows if -1 - count < row[0] < count]


@lru_cache
def _values(size: int) -> str:
    rows = ", ".join(f"({i}, ${3 * i + 1}, ${3 * i + 2}, ${3 * i + 3})" for i in range(size))
    return f"WITH q (i, tenant, person, purpose) AS (VALUES {rows}) " + _HEAD + _CATALOGUE + _OWN
