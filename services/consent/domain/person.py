"""The aggregate of one person and its events. Pure.

- Rules are checked by the commands (`consent`, `links`, `preferences`) when deciding, never here when applying:
  history written under an older rule always loads.
- `personal` is the plain bytes of the sealed part, there only while an event is new; a loaded event has none.
- `position` and `recorded_us` come from a `Moment`, made by the committer, which holds the log's head meanwhile.
"""

from dataclasses import dataclass
from uuid import UUID

from eventsourcing.domain import Aggregate, event

from consentledger.store.moment import Moment
from services.consent.domain.acts import Act, Kind, effective_time
from services.consent.domain.state import ALL, PersonState


@dataclass(frozen=True, slots=True)
class Collected:
    """How an act was collected; nothing personal."""

    method: str = ""
    jurisdiction: str = ""
    language: str = ""
    collector: str = ""
    evidence_sha256: bytes = b""
    age_band: int = 0
    guardian_method: str = ""
    imported: bool = False


class PersonEvent(Aggregate.Event):
    """What every event of a person has."""

    position: int
    recorded_us: int
    occurred_us: int | None
    collected: Collected
    revoked: tuple[str, ...]
    personal: bytes


class Person(Aggregate):
    """A person, or one identifier of theirs."""

    TOPIC = "person"

    class Created(Aggregate.Created):
        """The first event: a person seen for the first time."""

        TOPIC = "subject.opened.v1"
        position: int
        recorded_us: int
        personal: bytes

    class ConsentRecorded(PersonEvent):
        """A choice for one purpose."""

        TOPIC = "consent.recorded.v1"
        purpose: str
        grant: bool
        notice: str
        told_notice: str
        explicit: bool
        expires_us: int | None

        def apply(self, aggregate: "Person") -> None:
            """Fold."""
            kind = Kind.GRANT if self.grant else Kind.DENY
            act = Act(
                kind,
                effective_time(kind, self.occurred_us, self.recorded_us),
                self.recorded_us,
                self.position,
                self.originator_version,
                self.notice,
                self.explicit,
                self.expires_us,
            )
            aggregate.state.live_in(self.collected.jurisdiction)
            aggregate.state.put(self.purpose, act)

    class ConsentWithdrawn(PersonEvent):
        """A withdrawal; no purposes means all."""

        TOPIC = "consent.withdrawn.v1"
        purposes: tuple[str, ...]

        def apply(self, aggregate: "Person") -> None:
            """Fold."""
            aggregate.refuse(self, Kind.WITHDRAW, self.purposes)

    class ObjectionRecorded(PersonEvent):
        """An objection; no purposes means all."""

        TOPIC = "objection.recorded.v1"
        purposes: tuple[str, ...]

        def apply(self, aggregate: "Person") -> None:
            """Fold."""
            aggregate.refuse(self, Kind.OBJECT, self.purposes)

    class SignalRecorded(PersonEvent):
        """A universal opt-out signal, or its end."""

        TOPIC = "signal.recorded.v1"
        kind: int
        on: bool

        def apply(self, aggregate: "Person") -> None:
            """Fold."""
            state = aggregate.state
            state.live_in(self.collected.jurisdiction)
            state.signal_on, state.signal_position = self.on, self.position
            state.signal_version = self.originator_version

    class RestrictionChanged(PersonEvent):
        """Processing was restricted, or the restriction lifted."""

        TOPIC = "restriction.changed.v1"
        restricted: bool

        def apply(self, aggregate: "Person") -> None:
            """Fold."""
            state = aggregate.state
            state.live_in(self.collected.jurisdiction)
            state.restricted, state.restricted_position = self.restricted, self.position
            state.restricted_version = self.originator_version

    class ConsentExpired(PersonEvent):
        """A grant's time is over."""

        TOPIC = "consent.expired.v1"
        purpose: str
        grant_version: int

        def apply(self, aggregate: "Person") -> None:
            """Fold."""
            aggregate.state.expire(self.purpose, self.grant_version)

    class LinksChanged(PersonEvent):
        """This person's group grew or was parted."""

        TOPIC = "links.changed.v1"
        members: tuple[bytes, ...]
        pairs: tuple[tuple[bytes, bytes], ...]
        carried: tuple[tuple[str, int, int], ...]
        """(purpose or "*", kind, effective time) of acts taken over from those who left."""
        carried_signal: bool
        carried_restriction: bool
        undone: bool

        def apply(self, aggregate: "Person") -> None:
            """Fold."""
            state = aggregate.state
            state.live_in(self.collected.jurisdiction)
            state.group(self.members, frozenset(self.pairs), self.originator_version)
            for purpose, kind, effective_us in self.carried:
                act = Act(Kind(kind), effective_us, self.recorded_us, self.position, self.originator_version)
                # Not `put`, and version 0 below: made by another, so a later parting carries them no further.
                state.merge(purpose, act)
            if self.carried_signal and not state.signal_on:
                state.signal_on, state.signal_position, state.signal_version = True, self.position, 0
            if self.carried_restriction and not state.restricted:
                state.restricted, state.restricted_position, state.restricted_version = True, self.position, 0

    class PreferencesUpdated(PersonEvent):
        """How the person wants to be reached."""

        TOPIC = "preferences.updated.v1"
        preferences: tuple[tuple[str, str, str, str], ...]
        """(channel, topic, frequency or "" to remove, language)."""

        def apply(self, aggregate: "Person") -> None:
            """Fold."""
            kept = aggregate.state.preferences
            for channel, topic, frequency, language in self.preferences:
                if frequency:
                    kept[channel, topic] = (frequency, language)
                else:
                    kept.pop((channel, topic), None)

    @event(Created)
    def __init__(self, position: int, recorded_us: int, personal: bytes) -> None:
        self.state = PersonState()

    def refuse(self, event: PersonEvent, kind: Kind, purposes: tuple[str, ...]) -> None:
        """Fold a withdrawal or an objection."""
        self.state.live_in(event.collected.jurisdiction)
        act = Act(
            kind,
            effective_time(kind, event.occurred_us, event.recorded_us),
            event.recorded_us,
            event.position,
            event.originator_version,
        )
        for purpose in purposes or (ALL,):
            self.state.put(purpose, act)

    @classmethod
    def open(cls, person: UUID, personal: bytes, at: Moment) -> "Person":
        """Start a person's stream."""
        position, recorded_us = at.take()
        return cls._create(
            cls.Created,
            id=person,
            timestamp=at.timestamp,
            position=position,
            recorded_us=recorded_us,
            personal=personal,
        )

    def emit(
        self,
        event_class: type[PersonEvent],
        at: Moment,
        *,
        collected: Collected,
        occurred_us: int | None = None,
        revoked: tuple[str, ...] = (),
        personal: bytes = b"",
        **fields: object,
    ) -> None:
        """Make one event and fold it."""
        position, recorded_us = at.take()
        self.trigger_event(
            event_class,
            timestamp=at.timestamp,
            position=position,
            recorded_us=recorded_us,
            occurred_us=occurred_us,
            collected=collected,
            revoked=revoked,
            personal=personal,
            **fields,
        )
