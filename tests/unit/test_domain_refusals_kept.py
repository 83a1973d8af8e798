"""What somebody refused outlives their erasure, where nobody would have to ask; and nothing else does."""

from dataclasses import replace
from types import MappingProxyType
from uuid import UUID

import pytest

from consentledger.regimes.model import Regimes
from consentledger.store.moment import Moment
from services.consent.domain.decision import DAY_US, decide
from services.consent.domain.person import Person
from services.consent.domain.refusals import Refusals, kept
from services.consent.domain.state import PersonState
from tests.property import commands as do
from tests.property.laws import LAWS, REGIMES
from tests.property.play import Sides, played

CONSENT, OPT_OUT, INTEREST = ((("plain", basis),) for basis in ("CONSENT", "OPT_OUT", "LEGITIMATE_INTEREST"))
BEGIN: do.History = (
    do.Define("a", CONSENT),
    do.Define("b", OPT_OUT),
    do.Define("c", INTEREST),
    do.Publish("n"),
    do.Home("AA"),
)


def of(sides: Sides, *who: str, regimes: Regimes = LAWS) -> Refusals | None:
    states = [sides.people[name].state for name in who or ("p0",)]
    return kept(sides.catalogue, regimes, states, sides.clock + 1)


def why(sides: Sides, state: PersonState, purpose: str) -> str:
    verdict = decide(
        sides.catalogue.purpose(purpose), [state], [REGIMES["plain"]], sides.catalogue.stale, sides.clock + DAY_US
    )
    return verdict.why.name


def test_refusals_are_kept_for_purposes_that_may_be_used_until_refused_and_only_those() -> None:
    sides = played(*BEGIN, do.Refuse("p0", ("a", "b")), do.Refuse("p0", ("c",), objection=True))
    found = of(sides)
    assert found == Refusals(("b", "c"), False, False, (sides.clock + 1) // DAY_US * DAY_US)
    assert found is not None
    assert [why(sides, found.state(), p) for p in "abc"] == ["NO_RECORD", "OBJECTED", "OBJECTED"]


def test_nothing_is_kept_of_whoever_refused_nothing_of_the_kind() -> None:
    assert of(played(*BEGIN, do.Record("p0", (do.Choose("a"), do.Choose("b")), age=1))) is None
    assert of(played(*BEGIN, do.Refuse("p0", ("a",)))) is None
    assert of(played(*BEGIN, do.Refuse("p0", ("b",)), do.Record("p0", (do.Choose("b"),), age=1))) is None


def test_a_denial_counts_like_a_withdrawal() -> None:
    found = of(played(*BEGIN, do.Record("p0", (do.Choose("b", grant=False),))))
    assert found is not None and found.refused == ("b",)


def test_who_withdrew_from_everything_stays_so_for_purposes_made_later() -> None:
    sides = played(*BEGIN, do.Refuse("p0"), do.Record("p0", (do.Choose("b"),), age=1))
    found = of(sides)
    assert found is not None and (found.purposes, found.refused) == ((), ("*",))
    sides = played(*BEGIN, do.Refuse("p0"), do.Define("d", OPT_OUT))
    assert why(sides, found.state(), "d") == "OBJECTED"


def test_what_anybody_of_the_group_refused_is_kept() -> None:
    sides = played(*BEGIN, do.Refuse("p0", ("b",)), do.Signal("p1", on=True), do.Link("p0", "p1"))
    found = of(sides, "p0", "p1")
    assert found is not None and (found.purposes, found.signal) == (("b",), True)
    assert why(sides, found.state(), "c") == "UNIVERSAL_SIGNAL"


def test_where_no_law_asks_for_it_nothing_is_kept() -> None:
    sides = played(*BEGIN, do.Refuse("p0", ("b", "c")))
    careless = replace(REGIMES["plain"], keep_opt_outs_after_erasure=False)
    laws = Regimes(by_id=MappingProxyType({**REGIMES, "plain": careless}), by_place=LAWS.by_place)
    assert of(sides) is not None
    assert of(sides, regimes=laws) is None


@pytest.mark.parametrize("everything", [False, True])
def test_a_change_of_basis_lifts_no_refusal_for_who_is_forgotten(everything: bool) -> None:
    sides = played(
        *BEGIN, do.Refuse("p0", () if everything else ("b",)), do.Define("b", (("plain", "CONTRACT"),), gap=1)
    )
    assert sides.why(purpose="b") == "WITHDRAWN"
    found = of(sides)
    assert found is not None and why(sides, found.state(), "b") == "OBJECTED"


def test_whoever_comes_again_starts_with_what_was_kept_and_a_newer_grant_wins() -> None:
    sides = played(*BEGIN)
    found = Refusals(("b", "c"), False, True, (sides.clock // DAY_US) * DAY_US)
    moment = Moment(sides.position, sides.clock + 1, 1)
    person = Person.open(UUID(int=9), b"", moment)
    found.open(person, moment)
    assert [type(e).TOPIC for e in person.pending_events] == [
        "subject.opened.v1",
        "objection.recorded.v1",
        "signal.recorded.v1",
    ]
    assert all(not getattr(e, "revoked", ()) for e in person.pending_events), "nothing was allowed before"
    assert [why(sides, person.state, p) for p in "abc"] == ["NO_RECORD", "OBJECTED", "OBJECTED"]
    assert person.state.signal_on


def test_a_start_without_named_purposes_refuses_everything() -> None:
    sides = played(*BEGIN)
    moment = Moment(sides.position, sides.clock + 1, 1)
    person = Person.open(UUID(int=9), b"", moment)
    Refusals((), True, False, 0).open(person, moment)
    assert [why(sides, person.state, p) for p in "abc"] == ["OBJECTED", "OBJECTED", "OBJECTED"]


def test_the_time_kept_is_no_finer_than_a_day() -> None:
    sides = played(*BEGIN, do.Refuse("p0", ("b",), gap=5))
    found = of(sides)
    assert found is not None and found.since_us % DAY_US == 0
