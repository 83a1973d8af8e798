"""Preferences: replaced by channel and topic, removed by an empty frequency, and nothing to do with consent."""

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.store.moment import Moment
from services.consent.domain import preferences
from tests.property import commands as do
from tests.property.play import IDS, Sides, played


def _update(sides: Sides, *wanted: tuple[str, str, str, str]) -> None:
    preferences.update(sides.people["p0"], Moment(sides.position, sides.clock + 1, 1), wanted)


def test_a_preference_replaces_the_one_for_the_same_channel_and_topic() -> None:
    sides = played()
    _update(sides, ("email", "news", "daily", "en"), ("sms", "news", "weekly", ""))
    _update(sides, ("email", "news", "monthly", "de"), ("sms", "news", "", ""))
    assert sides.people["p0"].state.preferences == {("email", "news"): ("monthly", "de")}


def test_preferences_never_override_consent() -> None:
    sides = played(do.Define("a", (("plain", "CONSENT"),)))
    _update(sides, ("email", "a", "daily", "en"))
    assert sides.why() == "NO_RECORD"


def test_preferences_are_rebuilt_from_events() -> None:
    sides = played()
    _update(sides, ("email", "news", "daily", "en"))
    again = None
    for event in [e for e in sides.log if e.originator_id == IDS["p0"]] + list(sides.people["p0"].pending_events):
        again = event.mutate(again)
    assert again is not None
    assert again.state == sides.people["p0"].state


def test_too_many_preferences_and_an_erasure_are_refused() -> None:
    sides = played()
    _update(sides, *(("email", f"t{n}", "daily", "") for n in range(preferences.LIMIT)))
    with pytest.raises(LedgerError) as refused:
        _update(sides, ("email", "one.more", "daily", ""))
    assert refused.value.reason is Reason.INVALID_FIELD
    sides.people["p0"].state.erasing = True
    with pytest.raises(LedgerError) as refused:
        _update(sides, ("email", "t1", "weekly", ""))
    assert refused.value.reason is Reason.ERASURE_IN_PROGRESS
