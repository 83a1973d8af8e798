"""The end of a person: their events and commands, and the legal holds that forbid it. Pure.

- A person is erased together with all who are linked: each stream names the others. None of them may be held.
- From the first event on nothing about the person changes any more; repeating the command returns what runs.
- It revokes everything, also when nothing was allowed: recipients are told in any case.
- The last event is written when the key is gone; with it all that stood is forgotten, but for the mark itself.
"""

from dataclasses import replace

from eventsourcing.utils import register_topic

from consentledger.errors import LedgerError, Reason, invalid
from consentledger.store.moment import Moment
from services.consent.domain.group import Group
from services.consent.domain.person import Collected, Person, PersonEvent
from services.consent.domain.state import ALL, Erasing, PersonState

MOST_HOLDS = 100
"""Legal holds on one person."""


class SubjectErased(PersonEvent):
    """The erasure has begun: checks deny."""

    TOPIC = "subject.erased.v1"
    erasure: bytes
    suppressed: bool
    until_us: int

    def apply(self, aggregate: Person) -> None:
        """Fold."""
        aggregate.state.erasing = True
        aggregate.state.erasure = Erasing(self.erasure, self.position, self.recorded_us, self.until_us, self.suppressed)


class KeyDestroyed(PersonEvent):
    """It is done, and attested. The last event of a stream."""

    TOPIC = "key.destroyed.v1"
    erasure: bytes
    key_id: bytes
    key_epoch: int
    destroyed_us: int
    cleaned: tuple[str, ...]
    backups_until_us: int | None
    recipients: tuple[tuple[str, int, str], ...]
    """(downstream, state of its obligation, why it is not ENFORCED)."""

    def apply(self, aggregate: Person) -> None:
        """Fold."""
        running = aggregate.state.erasure
        ended = None if running is None else replace(running, attested=self.position)
        aggregate.state = PersonState(erasing=True, erased=True, erasure=ended)


class HoldChanged(PersonEvent):
    """A legal hold was placed or lifted. It tells a place, and the person does not come to live there by it."""

    TOPIC = "hold.changed.v1"
    hold: str
    placed: bool

    def apply(self, aggregate: Person) -> None:
        """Fold."""
        holds = aggregate.state.holds
        aggregate.state.holds = holds | {self.hold} if self.placed else holds - {self.hold}


for _event in (SubjectErased, KeyDestroyed, HoldChanged):
    register_topic(_event.TOPIC, _event)


def erase(
    group: Group, at: Moment, *, erasure: bytes, suppressed: bool, until_us: int, collected: Collected, personal: bytes
) -> Erasing:
    """Begin to erase everybody in the group; what runs already, if it does. HOLD_STANDS if anybody is held.

    What is personal about the request is kept with the person named only: theirs is the key at hand.
    """
    if group.person.state.erasure is None:
        if any(state.holds for state in group.states()):
            raise LedgerError(Reason.HOLD_STANDS)
        for person in sorted((group.person, *group.others), key=_key):
            person.emit(
                SubjectErased,
                at,
                collected=collected,
                revoked=(ALL,),
                personal=personal if person is group.person else b"",
                erasure=erasure,
                suppressed=suppressed,
                until_us=until_us,
            )
    running = group.person.state.erasure
    assert running is not None
    return running


def attest(
    person: Person,
    at: Moment,
    *,
    key_id: bytes,
    key_epoch: int,
    destroyed_us: int,
    cleaned: tuple[str, ...],
    backups_until_us: int | None,
    recipients: tuple[tuple[str, int, str], ...],
) -> None:
    """Say that the key is gone. The person must be one whose erasure runs."""
    running = person.state.erasure
    if running is None or person.state.erased:
        raise ValueError("nothing to attest: no erasure of this person runs")
    person.emit(
        KeyDestroyed,
        at,
        collected=Collected(),
        erasure=running.id,
        key_id=key_id,
        key_epoch=key_epoch,
        destroyed_us=destroyed_us,
        cleaned=cleaned,
        backups_until_us=backups_until_us,
        recipients=recipients,
    )


def hold(person: Person, at: Moment, name: str, *, placed: bool, collected: Collected, personal: bytes) -> None:
    """Place a legal hold, or lift it. Nothing is emitted when nothing changes; it is too late once erasure runs."""
    state = person.state
    if placed and state.erasing:
        raise LedgerError(Reason.ERASURE_IN_PROGRESS)
    if (name in state.holds) == placed:
        return
    if placed and len(state.holds) >= MOST_HOLDS:
        raise invalid("hold", f"at most {MOST_HOLDS} on one person")
    person.emit(HoldChanged, at, collected=collected, personal=personal, hold=name, placed=placed)


def _key(person: Person) -> bytes:
    return person.id.bytes
