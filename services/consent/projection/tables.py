"""What stands now, as tables: written in the events' own transaction, read by every check. Writes only.

- `write` takes the states from the aggregates in memory, which the same transaction brought up to date; `rebuild` folds
  the streams anew. Both make rows by `Rows`, so that they cannot differ.
- A row is replaced, never merged: the aggregate is what merges.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from consentledger.store.ledger import Row, Transaction
from consentledger.store.schema import Migration
from services.consent.domain.acts import Kind
from services.consent.domain.catalogue import Catalogue
from services.consent.domain.erasure import SubjectErased
from services.consent.domain.person import Person
from services.consent.memory import Aggregates
from services.consent.projection.erasures import Part, forget
from services.consent.projection.packing import pack_act, pack_flags

KEYS = {
    "person": ("person",),
    "consent_state": ("person", "purpose"),
    "person_link": ("person", "member"),
    "preference": ("person", "channel", "topic"),
    "catalogue": ("tenant",),
    "erasure": ("person",),
}
"""Every table, and its key."""

_PERSON = "person {bytes} NOT NULL"
DDL = {
    "person": "person {bytes} PRIMARY KEY, tenant text NOT NULL, flags {bytes} NOT NULL",
    "consent_state": f"{_PERSON}, purpose text NOT NULL, act {{bytes}} NOT NULL, tenant text NOT NULL, "
    "version {int} NOT NULL, due_us {int}, PRIMARY KEY (person, purpose)",
    "person_link": f"{_PERSON}, member {{bytes}} NOT NULL, PRIMARY KEY (person, member)",
    "preference": f"{_PERSON}, channel text NOT NULL, topic text NOT NULL, frequency text NOT NULL, "
    "language text NOT NULL, PRIMARY KEY (person, channel, topic)",
    "catalogue": "tenant text PRIMARY KEY, stream {bytes} NOT NULL, version {int} NOT NULL",
    "erasure": "person {bytes} PRIMARY KEY, tenant text NOT NULL, erasure {bytes} NOT NULL, position {int} NOT NULL, "
    "started_us {int} NOT NULL, until_us {int} NOT NULL, suppressed {int} NOT NULL, attested {int}",
}
"""What each table holds; a rebuild makes its shadows by the same words."""
INDEXES = {
    "consent_state_due": ("consent_state", "(due_us) WHERE due_us IS NOT NULL"),
    "erasure_open": ("erasure", "(position) WHERE attested IS NULL"),
    "erasure_ended": ("erasure", "(attested) WHERE attested IS NOT NULL"),
    "erasure_by_id": ("erasure", "(erasure)"),
}
"""Name -> (table, what it holds)."""


def create(suffix: str = "", mark: str = "", tables: Iterable[str] = tuple(KEYS)) -> list[str]:
    """The statements that make the tables, named with a suffix, and their indexes, named with a mark."""
    made = [f"CREATE TABLE {table}{suffix} ({DDL[table]}) {{clustered}}" for table in tables]
    indexes = [(name, *on) for name, on in INDEXES.items() if on[0] in tables]
    return [*made, *(f"CREATE INDEX {name}{mark} ON {table}{suffix} {what}" for name, table, what in indexes)]


_FIRST = ("person", "consent_state", "person_link", "preference", "catalogue")
MIGRATIONS = (
    Migration(1, "what stands now", tuple(create(tables=_FIRST))),
    Migration(2, "erasures", (*create(tables=("erasure",)), "CREATE INDEX answer_by_stream ON answer (stream)")),
)

COLUMNS = {
    "person": ("person", "tenant", "flags"),
    "consent_state": ("person", "purpose", "act", "tenant", "version", "due_us"),
    "person_link": ("person", "member"),
    "preference": ("person", "channel", "topic", "frequency", "language"),
    "catalogue": ("tenant", "stream", "version"),
    "erasure": ("person", "tenant", "erasure", "position", "started_us", "until_us", "suppressed", "attested"),
}


@lru_cache
def _insert(table: str, suffix: str) -> str:
    columns = COLUMNS[table]
    values = ", ".join(f"${n + 1}" for n in range(len(columns)))
    sql = f"INSERT INTO {table}{suffix} ({', '.join(columns)}) VALUES ({values})"
    changing = [c for c in columns if c not in KEYS[table]]
    if suffix or not changing:
        return sql
    updates = ", ".join(f"{c} = excluded.{c}" for c in changing)
    return f"{sql} ON CONFLICT ({', '.join(KEYS[table])}) DO UPDATE SET {updates}"


@dataclass(slots=True)
class Rows:
    """Rows to write, by statement, in the order of the statements in `flush`."""

    people: list[Row] = field(default_factory=list)
    ended: list[Row] = field(default_factory=list)
    states: list[Row] = field(default_factory=list)
    relinked: list[Row] = field(default_factory=list)
    links: list[Row] = field(default_factory=list)
    repreferred: list[Row] = field(default_factory=list)
    preferences: list[Row] = field(default_factory=list)
    catalogues: list[Row] = field(default_factory=list)
    erasures: list[Row] = field(default_factory=list)

    def add_person(self, tenant: str, person: Person, purposes: Iterable[str]) -> None:
        """The flags, and the acts that stand for these purposes."""
        key, state = person.id.bytes, person.state
        self.people.append((key, tenant, pack_flags(state)))
        for purpose in purposes:
            act = state.acts[purpose]
            ends = act.kind is Kind.GRANT and not act.expired and not state.erasing
            due = act.expires_us if ends else None
            self.states.append((key, purpose, pack_act(act), tenant, act.version, due))
        if state.erasure is not None:
            self.erasures.append(Part(key, tenant, state.erasure).row())

    def add_links(self, person: Person) -> None:
        """Whom the person is linked with."""
        key = person.id.bytes
        self.relinked.append((key,))
        self.links += [(key, member) for member in person.state.members]

    def add_preferences(self, person: Person) -> None:
        """How the person wants to be reached."""
        key = person.id.bytes
        self.repreferred.append((key,))
        self.preferences += [(key, c, t, f, lang) for (c, t), (f, lang) in sorted(person.state.preferences.items())]

    def end(self, person: Person) -> None:
        """Take away what stood for somebody who is gone; their mark stays."""
        self.ended.append((person.id.bytes,))
        self.add_links(person)
        self.add_preferences(person)

    def add_catalogue(self, catalogue: Catalogue) -> None:
        """How far the tenant's catalogue has come."""
        self.catalogues.append((catalogue.tenant.id, catalogue.id.bytes, catalogue.version))

    def by_table(self) -> dict[str, list[Row]]:
        """The rows of each table, with its columns in the order of `COLUMNS`."""
        return {
            "person": self.people,
            "consent_state": self.states,
            "person_link": self.links,
            "preference": self.preferences,
            "catalogue": self.catalogues,
            "erasure": self.erasures,
        }

    async def flush(self, tx: Transaction, suffix: str = "") -> None:
        """Write them. With a suffix: to the shadow tables of a rebuild, which hold nobody twice."""
        for sql, rows in (
            (_insert("person", suffix), self.people),
            (f"DELETE FROM consent_state{suffix} WHERE person = $1", self.ended),
            (_insert("consent_state", suffix), self.states),
            (f"DELETE FROM person_link{suffix} WHERE person = $1", self.relinked),
            (_insert("person_link", suffix), self.links),
            (f"DELETE FROM preference{suffix} WHERE person = $1", self.repreferred),
            (_insert("preference", suffix), self.preferences),
            (_insert("catalogue", suffix), self.catalogues),
            (_insert("erasure", suffix), self.erasures),
        ):
            if rows:
                await tx.executemany(sql, rows)


class ConsentProjection:
    """The projection as the committer drives it."""

    def __init__(self, memory: Aggregates) -> None:
        self._memory = memory

    async def write(self, tx: Transaction, events: Sequence[tuple[str, Any]]) -> None:
        """Bring the rows of everyone these events are about up to date."""
        touched: dict[bytes, set[str]] = {}
        tenants: dict[bytes, str] = {}
        relinked: set[bytes] = set()
        repreferred: set[bytes] = set()
        erasing: set[bytes] = set()
        for tenant, event in events:
            stream = event.originator_id.bytes
            tenants[stream] = tenant
            touched.setdefault(stream, set()).update(_purposes(event))
            if isinstance(event, Person.LinksChanged):
                relinked.add(stream)
            elif isinstance(event, Person.PreferencesUpdated):
                repreferred.add(stream)
            elif isinstance(event, SubjectErased):
                erasing.add(stream)  # no grant of theirs comes to its end any more
        rows = Rows()
        for stream, purposes in touched.items():
            catalogue = self._memory.catalogue(stream)
            if catalogue is not None:
                rows.add_catalogue(catalogue)
                continue
            person = self._memory.person(stream)
            if person is None:
                raise LookupError("an event was made by an aggregate that memory does not hold")
            known = person.state.acts.keys()
            rows.add_person(tenants[stream], person, sorted(known if stream in erasing else purposes & known))
            if person.state.erased:
                rows.end(person)
                continue
            if stream in relinked:
                rows.add_links(person)
            if stream in repreferred:
                rows.add_preferences(person)
        await rows.flush(tx)
        if rows.ended:
            await forget(tx, [row[0] for row in rows.ended])


def _purposes(event: Any) -> Iterable[str]:
    """The purposes whose standing act an event may change."""
    if isinstance(event, Person.ConsentRecorded | Person.ConsentExpired):
        return (event.purpose,)
    if isinstance(event, Person.ConsentWithdrawn | Person.ObjectionRecorded):
        return event.purposes
    if isinstance(event, Person.LinksChanged):
        return (purpose for purpose, _, _ in event.carried)
    return ()
