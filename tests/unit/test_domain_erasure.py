"""Erasing a person: what begins it, what forbids it, and what is left at its end."""

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.store.moment import Moment
from services.consent.domain import consent, erasure
from services.consent.domain.erasure import HoldChanged, KeyDestroyed, SubjectErased
from services.consent.domain.person import Collected
from services.consent.domain.state import Erasing, PersonState
from tests.property import commands as do
from tests.property.play import Sides, played

OPT_OUT = (("plain", "OPT_OUT"),)
BEGIN: do.History = (do.Define("a", (("plain", "CONSENT"),)), do.Define("b", OPT_OUT), do.Publish("n"), do.Home("AA"))
GRANT = do.Record("p0", (do.Choose("a"), do.Choose("b")), age=1)
ID = b"e" * 16
NOTHING = Collected()


def at(sides: Sides) -> Moment:
    return Moment(sides.position, sides.clock + 1, 1)


def erase(sides: Sides, who: str = "p0", id: bytes = ID, personal: bytes = b"") -> Erasing:
    moment = at(sides)
    return erasure.erase(
        sides.group(who),
        moment,
        erasure=id,
        suppressed=False,
        until_us=moment.recorded_us + 5,
        collected=NOTHING,
        personal=personal,
    )


def attest(sides: Sides, who: str = "p0") -> None:
    erasure.attest(
        sides.people[who],
        at(sides),
        key_id=b"k" * 32,
        key_epoch=1,
        destroyed_us=7,
        cleaned=("keystore",),
        backups_until_us=9,
        recipients=(("mailer", 4, ""),),
    )


def hold(sides: Sides, name: str = "case-1", *, who: str = "p0", placed: bool = True) -> None:
    erasure.hold(sides.people[who], at(sides), name, placed=placed, collected=NOTHING, personal=b"")


def refused(reason: Reason, call: object, *arguments: object, **named: object) -> None:
    with pytest.raises(LedgerError) as caught:
        call(*arguments, **named)  # type: ignore[operator]
    assert caught.value.reason is reason


def test_checks_deny_from_the_moment_it_begins() -> None:
    sides = played(*BEGIN, GRANT)
    assert (sides.why(), sides.why(purpose="b")) == ("GRANTED", "NOT_OPTED_OUT")
    erase(sides)
    assert (sides.why(), sides.why(purpose="b")) == ("ERASURE_IN_PROGRESS", "ERASURE_IN_PROGRESS")


def test_what_the_law_keeps_stays_allowed() -> None:
    sides = played(*BEGIN, do.Define("tax", (("plain", "LEGAL_OBLIGATION"),), kept=True), GRANT)
    erase(sides)
    assert sides.why(purpose="tax") == "CONSENT_NOT_NEEDED"


def test_it_revokes_everything_also_when_nothing_was_allowed() -> None:
    sides = played(*BEGIN, do.Refuse("p0"))
    erase(sides)
    (event,) = sides.people["p0"].pending_events
    assert isinstance(event, SubjectErased)
    assert (event.revoked, event.erasure, event.until_us) == (("*",), ID, event.recorded_us + 5)


def test_erasing_again_returns_what_runs_and_emits_nothing() -> None:
    sides = played(*BEGIN, GRANT)
    first = erase(sides)
    assert first == Erasing(ID, sides.position + 1, sides.clock + 1, sides.clock + 6, False)
    assert erase(sides, id=b"x" * 16) == first
    assert len(sides.people["p0"].pending_events) == 1


def test_everybody_linked_is_erased_and_what_is_personal_stays_with_the_one_named() -> None:
    sides = played(*BEGIN, GRANT, do.Link("p0", "p1"), do.Link("p1", "p2"))
    erase(sides, "p1", personal=b"why")
    events = {who: list(person.pending_events) for who, person in sides.people.items()}
    assert {who: len(each) for who, each in events.items()} == {"p0": 1, "p1": 1, "p2": 1} | {
        who: 0 for who in events if who not in ("p0", "p1", "p2")
    }
    assert {who: events[who][0].personal for who in ("p0", "p1", "p2")} == {"p0": b"", "p1": b"why", "p2": b""}
    assert {sides.people[who].state.erasure.id for who in ("p0", "p1", "p2")} == {ID}  # type: ignore[union-attr]


@pytest.mark.parametrize("held", ["p0", "p1"])
def test_a_hold_on_anybody_of_the_group_forbids_it_until_it_is_lifted(held: str) -> None:
    sides = played(*BEGIN, GRANT, do.Link("p0", "p1"))
    hold(sides, who=held)
    refused(Reason.HOLD_STANDS, erase, sides)
    assert not sides.people["p0"].state.erasing
    hold(sides, "case-2", who=held)
    hold(sides, who=held, placed=False)
    refused(Reason.HOLD_STANDS, erase, sides)
    hold(sides, "case-2", who=held, placed=False)
    erase(sides)
    assert sides.why() == "ERASURE_IN_PROGRESS"


def test_a_hold_that_changes_nothing_emits_nothing_and_none_revokes() -> None:
    sides = played(*BEGIN, GRANT)
    hold(sides, placed=False)
    for _ in range(2):
        hold(sides)
    (event,) = sides.people["p0"].pending_events
    assert isinstance(event, HoldChanged) and event.revoked == ()
    assert sides.why() == "GRANTED"


def test_a_hold_comes_too_late_once_the_erasure_runs() -> None:
    sides = played(*BEGIN, GRANT)
    erase(sides)
    refused(Reason.ERASURE_IN_PROGRESS, hold, sides)
    hold(sides, placed=False)
    assert len(sides.people["p0"].pending_events) == 1


def test_holds_are_bounded() -> None:
    sides = played(*BEGIN)
    for number in range(erasure.MOST_HOLDS):
        hold(sides, f"case-{number}")
    refused(Reason.INVALID_FIELD, hold, sides, "one-more")


def test_a_place_told_with_a_hold_does_not_become_the_persons() -> None:
    sides = played(*BEGIN, GRANT)
    erasure.hold(sides.people["p0"], at(sides), "c", placed=True, collected=Collected(jurisdiction="BB"), personal=b"")
    assert sides.people["p0"].state.jurisdictions == ()


def test_while_it_runs_a_withdrawal_changes_nothing_and_recording_is_refused() -> None:
    sides = played(*BEGIN, GRANT, do.Link("p0", "p1"))
    erase(sides)
    for who in ("p0", "p1"):
        assert sides.refusal(do.Record(who, (do.Choose("a"),), age=1)) == "ERASURE_IN_PROGRESS"
        consent.withdraw(sides.group(who), at(sides), [], occurred_us=None, collected=NOTHING, personal=b"")
        consent.signal(sides.group(who), at(sides), kind=1, on=True, collected=NOTHING, personal=b"")
    assert sides.refusal(do.Undo("p0", "p1")) == "ERASURE_IN_PROGRESS"
    assert sides.refusal(do.Link("p0", "p2")) == "ERASURE_IN_PROGRESS"
    assert not any(person.pending_events for person in sides.people.values())


def test_at_its_end_nothing_is_left_but_the_mark() -> None:
    sides = played(*BEGIN, GRANT, do.Link("p0", "p1"), do.Signal("p0", on=True, place="BB"))
    began = erase(sides)
    hold_free = sides.people["p0"]
    attest(sides)
    assert hold_free.state == PersonState(
        erasing=True,
        erased=True,
        erasure=Erasing(ID, began.position, began.started_us, began.until_us, False, sides.position + 1),
    )
    assert isinstance(hold_free.pending_events[-1], KeyDestroyed)


@pytest.mark.parametrize("already", [False, True])
def test_only_an_erasure_that_runs_can_be_attested(already: bool) -> None:
    sides = played(*BEGIN, GRANT)
    if already:
        erase(sides)
        attest(sides)
    with pytest.raises(ValueError, match="nothing to attest"):
        attest(sides)


def test_the_end_is_the_same_when_the_stream_is_folded_anew() -> None:
    sides = played(*BEGIN, GRANT)
    hold(sides)
    hold(sides, placed=False)
    erase(sides)
    attest(sides)
    person = sides.people["p0"]
    again = None
    for event in [e for e in sides.log if e.originator_id == person.id] + list(person.pending_events):
        again = event.mutate(again)
    assert again is not None and again.state == person.state
