"""What others have attested about a log's checkpoints: cosignatures, time stamps, copies. SQL of the store.

Kept beside the log, for those who ask for it; it proves nothing by lying here: whoever is shown it verifies it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consentledger.store.ledger import Store

_COLUMNS = "size, kind, name, note, evidence, at_us"
_WRITE = (
    f"INSERT INTO anchored (origin, {_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7) "
    "ON CONFLICT (origin, size, kind, name) DO NOTHING"
)
_NEWEST = "SELECT kind, name, MAX(size), MAX(at_us) FROM anchored WHERE origin = $1 GROUP BY kind, name"
_OF_KIND = (
    f"SELECT {_COLUMNS} FROM anchored WHERE origin = $1 AND kind = $2 AND size >= $3 AND size <= $4 "
    "ORDER BY size DESC, name LIMIT $5"
)
_THIN = (
    "DELETE FROM anchored WHERE origin = $1 AND EXISTS (SELECT 1 FROM anchored AS first WHERE "
    "first.origin = anchored.origin AND first.kind = anchored.kind AND first.name = anchored.name "
    "AND first.size < anchored.size AND first.at_us / 3600000000 = anchored.at_us / 3600000000) "
    "AND EXISTS (SELECT 1 FROM anchored AS later WHERE later.origin = anchored.origin AND later.kind = anchored.kind "
    "AND later.name = anchored.name AND later.size > anchored.size)"
)


@dataclass(frozen=True, slots=True)
class Anchored:
    """One attestation."""

    size: int
    kind: str
    """`witness`, `quorum` (the cosignatures of several witnesses, enough for the policy), `tsa` or `copy`."""
    name: str
    """Which one of its kind."""
    note: bytes
    """The signed checkpoint that it is about, as submitted."""
    evidence: bytes
    """As its kind has it."""
    at_us: int
    """When it came, by our clock."""


@dataclass(frozen=True, slots=True)
class Newest:
    """How far one anchor is."""

    size: int
    at_us: int


async def record(store: Store, origin: str, found: Sequence[Anchored]) -> None:
    """Keep attestations, durably. The first of each size, kind and name stays."""
    rows = [(origin, one.size, one.kind, one.name, one.note, one.evidence, one.at_us) for one in found]
    async with store.write() as tx:
        await tx.executemany(_WRITE, rows)


async def newest(store: Store, origin: str) -> dict[tuple[str, str], Newest]:
    """How far each anchor is, by (kind, name)."""
    return {(kind, name): Newest(size, at_us) for kind, name, size, at_us in await store.read(_NEWEST, origin)}


async def of_kind(
    store: Store, origin: str, kind: str, limit: int, *, least: int = 0, most: int = (1 << 63) - 1
) -> list[Anchored]:
    """The attestations of a kind for least <= size <= most, largest size first."""
    return [Anchored(*row) for row in await store.read(_OF_KIND, origin, kind, least, most, limit)]


async def thin(store: Store, origin: str) -> None:
    """Remove what others make superfluous: of each kind and name, the first of every hour stays, and the newest."""
    async with store.write() as tx:
        await tx.executemany(_THIN, [(origin,)])
