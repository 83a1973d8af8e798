"""The command about how a person wants to be reached. Pure. A preference is not consent and never overrides it."""

from collections.abc import Sequence

from consentledger.errors import LedgerError, Reason
from consentledger.store.moment import Moment
from services.consent.domain.person import Collected, Person

LIMIT = 1_000
"""The most preferences of one person."""


def update(person: Person, at: Moment, preferences: Sequence[tuple[str, str, str, str]]) -> None:
    """Replace the preferences for the channels and topics named: (channel, topic, frequency or "", language)."""
    if person.state.erasing:
        raise LedgerError(Reason.ERASURE_IN_PROGRESS)
    after = set(person.state.preferences) | {(channel, topic) for channel, topic, _, _ in preferences}
    if len(after) > LIMIT:
        raise LedgerError(Reason.INVALID_FIELD, field="preferences", rule=f"at most {LIMIT} for one person")
    person.emit(Person.PreferencesUpdated, at, collected=Collected(), preferences=tuple(preferences))
