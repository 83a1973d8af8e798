"""Use cases as the committer runs them: who and what is needed, the domain rule, the answer.

- A rule works on a `Scene`: it hands out aggregates, remembers what was touched, and turns the pending events into
  drafts. A refusal leaves nothing behind, neither in memory nor in the log.
- The answer is serialised here, inside the transaction, so that a repeat returns it byte for byte.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from consentledger.crypto.envelope import DataKey
from consentledger.errors import LedgerError, Reason
from consentledger.regimes.model import Regimes
from consentledger.store.commands import Decided, Draft
from consentledger.store.ledger import RequestKey
from consentledger.store.moment import Moment
from consentledger.v1.events_pb2 import SubjectOpenedPersonal
from consentledger.v1.types_pb2 import SubjectRef
from services.consent.domain.catalogue import Catalogue, catalogue_stream
from services.consent.domain.group import Group
from services.consent.domain.person import Person
from services.consent.domain.refusals import Refusals
from services.consent.encoding import draft
from services.consent.memory import Aggregates, Kept


@dataclass(frozen=True, slots=True)
class Who:
    """A person of a command: stream, key; and the identifier with what it had refused, for a person who is new."""

    person: bytes
    key: DataKey | None
    subject: SubjectRef | None
    refusals: Refusals | None = None


class Scene:
    """What one command sees and touches."""

    def __init__(self, memory: Aggregates, tenant: str, regimes: Regimes, who: Sequence[Who], at: Moment) -> None:
        self.at = at
        self.tenant = tenant
        self.who = who
        self._memory = memory
        self._regimes = regimes
        self._start = (at.position, at.recorded_us)
        self._touched: dict[bytes, Kept] = {}
        self._new: dict[bytes, Kept] = {}

    def find_catalogue(self) -> Catalogue | None:
        """The tenant's catalogue, if the tenant exists."""
        found = self._memory.catalogue(catalogue_stream(self.tenant).bytes)
        if found is not None:
            self._touched[found.id.bytes] = found
        return found

    def catalogue(self) -> Catalogue:
        """The tenant's catalogue, or TENANT_UNKNOWN."""
        found = self.find_catalogue()
        if found is None:
            raise LedgerError(Reason.TENANT_UNKNOWN)
        return found

    def add(self, aggregate: Kept) -> None:
        """Take in an aggregate that the rule has just created."""
        self._new[aggregate.id.bytes] = aggregate
        self._touched[aggregate.id.bytes] = aggregate

    def knows(self, index: int = 0) -> bool:
        """Whether the command's person has events."""
        return self._memory.person(self.who[index].person) is not None

    def person(self, index: int = 0) -> Person:
        """The command's person; opened now if this is their first event. SUBJECT_ERASED for one who is gone."""
        who = self.who[index]
        found = self._touched.get(who.person) or self._memory.person(who.person)
        if not isinstance(found, Person):
            if who.subject is None:
                raise LookupError("a command about a person who has no events")
            personal = SubjectOpenedPersonal(subject=who.subject).SerializeToString(deterministic=True)
            found = Person.open(UUID(bytes=who.person), personal, self.at)
            if who.refusals is not None:
                who.refusals.open(found, self.at)
            self.add(found)
        if found.state.erased:
            raise LedgerError(Reason.SUBJECT_ERASED)
        self._touched[who.person] = found
        return found

    def group(self, index: int = 0) -> Group:
        """The command's person with those linked."""
        person = self.person(index)
        others = []
        for member in person.state.members:
            other = self._touched.get(member) or self._memory.person(member)
            if not isinstance(other, Person):
                raise LookupError("a linked person was not loaded")
            self._touched[member] = other
            others.append(other)
        return Group(person, tuple(others), self.catalogue(), self._regimes)

    def drafts(self) -> list[Draft]:
        """Every event made, in order; new aggregates are kept from here on."""
        keys = {w.person: w.key for w in self.who}
        events: list[Any] = [e for a in self._touched.values() if a.pending_events for e in a.collect_events()]
        events.sort(key=_position)
        for aggregate in self._new.values():
            self._memory.put(aggregate)
        return [draft(self.tenant, e, keys.get(e.originator_id.bytes)) for e in events]

    def undo(self) -> None:
        """After a refusal: drop what was opened. Nothing else may have changed; if it has, that is a defect."""
        for stream, aggregate in self._touched.items():
            if stream not in self._new and aggregate.pending_events:
                return  # the committer sees the position and rolls everything back
        self.at.back(*self._start)


def _position(event: Any) -> int:
    return int(event.position)


Rule = Callable[[Scene], Message]
"""Decides on a scene and returns the answer."""


@dataclass(frozen=True, slots=True)
class Act:
    """A command of this service."""

    memory: Aggregates
    regimes: Regimes
    tenant: str
    who: Sequence[Who]
    rule: Rule
    request: RequestKey | None

    def streams(self) -> Iterable[bytes]:
        """The catalogue, the persons, and whoever is linked with them as far as memory knows."""
        yield catalogue_stream(self.tenant).bytes
        for who in self.who:
            yield who.person
            known = self.memory.person(who.person)
            if known is not None:
                yield from known.state.members

    def decide(self, at: Moment) -> Decided:
        """Run the rule."""
        scene = Scene(self.memory, self.tenant, self.regimes, self.who, at)
        try:
            answer = self.rule(scene)
        except LedgerError:
            scene.undo()
            raise
        stream = self.who[0].person if self.who else b""
        return Decided(scene.drafts(), stream, answer.SerializeToString())
