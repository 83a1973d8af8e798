"""Reads of a person's data by people, as events of the person's own stream. Pure.

- A record changes nothing that stands and revokes nothing. Who read is sealed with the person's key: erasure covers it.
- It is written as long as the person is not erased, also while an erasure runs.
"""

from collections.abc import Sequence

from eventsourcing.utils import register_topic

from consentledger.store.moment import Moment
from services.consent.domain.person import Collected, Person, PersonEvent


class AccessRecorded(PersonEvent):
    """Somebody read the person's data."""

    TOPIC = "access.recorded.v1"
    method: str
    purpose: str
    role: str
    fields: tuple[str, ...]

    def apply(self, aggregate: Person) -> None:
        """Nothing changes."""


register_topic(AccessRecorded.TOPIC, AccessRecorded)


def record(
    read: Sequence[tuple[Person, tuple[str, ...]]],
    at: Moment,
    *,
    method: str,
    purpose: str,
    role: str,
    personal: bytes,
) -> None:
    """Record one read with each of these persons, and what of theirs it gave."""
    for person, fields in read:
        person.emit(
            AccessRecorded,
            at,
            collected=Collected(),
            personal=personal,
            method=method,
            purpose=purpose,
            role=role,
            fields=fields,
        )
