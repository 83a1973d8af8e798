"""What is asked of the tables besides checks: one person whole, catalogues, links, grants that are due. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from consentledger.store.dialects import among, render
from consentledger.store.ledger import Store
from services.consent.domain.state import PersonState
from services.consent.projection.packing import unpack_act, unpack_state

_GROUP = "(SELECT CAST($2 AS {bytes}) AS person UNION ALL SELECT member FROM person_link WHERE person = $2)"
_ALL = (
    "SELECT (SELECT position FROM log_head), (SELECT version FROM catalogue WHERE tenant = $1), "
    "g.person, p.flags, s.purpose, s.act FROM " + _GROUP + " g "
    "LEFT JOIN person p ON p.person = g.person LEFT JOIN consent_state s ON s.person = g.person"
)
_PREFERENCES = (
    "SELECT (SELECT position FROM log_head), (SELECT version FROM catalogue WHERE tenant = $1), "
    "p.channel, p.topic, p.frequency, p.language "
    "FROM (SELECT 1 AS one) o LEFT JOIN preference p ON p.person = $2 ORDER BY p.channel, p.topic"
)
_VERSION = "SELECT version FROM catalogue WHERE tenant = $1"
_TENANTS = "SELECT tenant FROM catalogue WHERE tenant > $1 ORDER BY tenant LIMIT $2"
_MEMBERS = "SELECT member FROM person_link WHERE person = $1"
_DUE = (
    "SELECT tenant, person, purpose, version FROM consent_state "
    "WHERE due_us IS NOT NULL AND due_us <= $1 ORDER BY due_us LIMIT 500"
)


@dataclass(slots=True)
class Everything:
    """All that stands for a person and those linked."""

    position: int = 0
    catalogue_version: int = 0
    """0 if the tenant does not exist."""
    persons: dict[bytes, PersonState] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preferences:
    """How a person wants to be reached: (channel, topic, frequency, language), by channel and topic."""

    position: int
    catalogue_version: int
    kept: list[tuple[str, str, str, str]]


async def everything_of(store: Store, tenant: str, person: bytes) -> Everything:
    """One snapshot; `person` may be b"" for one never seen."""
    found = Everything()
    for position, version, key, flags, purpose, act in await store.read(render(store.dialect, _ALL), tenant, person):
        found.position, found.catalogue_version = position, version or 0
        state = found.persons.get(key)
        if state is None:
            state = found.persons[key] = unpack_state(flags, "", None)
        if act is not None:
            state.acts[purpose] = unpack_act(act)
    return found


async def preferences_of(store: Store, tenant: str, person: bytes) -> Preferences:
    """Likewise."""
    rows = await store.read(_PREFERENCES, tenant, person)
    kept = [(row[2], row[3], row[4], row[5]) for row in rows if row[2] is not None]
    return Preferences(rows[0][0], rows[0][1] or 0, kept)


async def catalogue_version(store: Store, tenant: str) -> int:
    """The version of a tenant's catalogue; 0 if the tenant does not exist."""
    rows = await store.read(_VERSION, tenant)
    return rows[0][0] if rows else 0


async def tenants_after(store: Store, tenant: str, limit: int) -> list[str]:
    """Tenant ids, ascending."""
    return [row[0] for row in await store.read(_TENANTS, tenant, limit)]


async def members_of(store: Store, person: bytes) -> list[bytes]:
    """Whom a person is linked with."""
    return [row[0] for row in await store.read(_MEMBERS, person)]


async def with_events(store: Store, persons: Sequence[bytes]) -> set[bytes]:
    """Those of the persons who have events. Asked of the log itself: the tables here may be dropped at any time."""
    if not persons:
        return set()
    condition, args = among(store.dialect, "stream", 1, persons)
    sql = f"SELECT stream FROM event WHERE {condition} AND version = 1"
    return {row[0] for row in await store.read(sql, *args)}


async def groups_of(store: Store, tenant: str, persons: Sequence[bytes]) -> dict[bytes, list[bytes]]:
    """For each person of the tenant: the person and those linked. Others are left out."""
    if not persons:
        return {}
    condition, args = among(store.dialect, "p.person", 2, persons)
    sql = (
        "SELECT p.person, l.member FROM person p LEFT JOIN person_link l ON l.person = p.person "
        f"WHERE p.tenant = $1 AND {condition}"
    )
    groups: dict[bytes, list[bytes]] = {}
    for person, member in await store.read(sql, tenant, *args):
        group = groups.setdefault(person, [person])
        if member is not None:
            group.append(member)
    return groups


async def due_grants(store: Store, now_us: int) -> list[tuple[str, bytes, str, int]]:
    """(tenant, person, purpose, stream version) of up to 500 grants that are over and not recorded so."""
    return [(row[0], row[1], row[2], row[3]) for row in await store.read(_DUE, now_us)]
