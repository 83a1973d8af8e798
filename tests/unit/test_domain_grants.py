"""What a grant needs, and when it ends."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.store.moment import Moment
from services.consent.domain import catalogue, consent
from services.consent.domain.catalogue import PurposeDef
from services.consent.domain.person import Collected
from tests.property import commands as do
from tests.property.play import Sides, played

CONSENT = (("lapsing", "CONSENT"), ("lenient", "CONSENT"), ("plain", "CONSENT"))
BEGIN: do.History = (do.Define("a", CONSENT), do.Define("b", CONSENT), do.Publish("n"), do.Home("AA"))
GRANT = do.Record("p0", (do.Choose("a"),), age=1)


def _end(sides: Sides) -> int | None:
    return sides.people["p0"].state.acts["a"].expires_us


def _us(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1_000_000


def test_a_grant_needs_a_published_notice() -> None:
    sides = played(*BEGIN)
    assert sides.refusal(replace(GRANT, notice="")) == "NOTICE_REQUIRED"
    assert sides.refusal(replace(GRANT, notice="n2")) == "NOTICE_UNKNOWN"
    assert sides.refusal(GRANT) is None


def test_a_denial_needs_no_notice() -> None:
    denial = replace(GRANT, choices=(do.Choose("a", grant=False),), notice="", age=2)
    assert played(*BEGIN, denial).why() == "DENIED"


def test_an_imported_grant_under_an_unknown_notice_is_kept_and_stale() -> None:
    sides = played(*BEGIN, replace(GRANT, notice="x9", imported=True))
    assert sides.log[-1].told_notice == "x9"
    assert (sides.why("plain"), sides.why("lenient")) == ("NOTICE_STALE", "GRANTED")


def test_choices_are_recorded_all_or_none() -> None:
    sides = played(*BEGIN)
    assert sides.refusal(replace(GRANT, choices=(do.Choose("a"), do.Choose("z")))) == "PURPOSE_UNKNOWN"
    assert sides.why() == "NO_RECORD"


def test_a_retired_purpose_takes_denials_and_no_grants() -> None:
    sides = played(*BEGIN, do.Retire("a"))
    assert sides.refusal(GRANT) == "PURPOSE_RETIRED"
    assert sides.refusal(replace(GRANT, choices=(do.Choose("a", grant=False),))) is None


def test_special_categories_need_an_explicit_act_where_the_law_says_so() -> None:
    sides = played(*BEGIN, do.Define("a", CONSENT, special=True))
    assert sides.refusal(GRANT) == "EXPLICIT_REQUIRED"
    assert sides.refusal(replace(GRANT, choices=(do.Choose("a", explicit=True),))) is None
    elsewhere = played(*BEGIN, do.Define("a", CONSENT, special=True), do.Home("CC"), GRANT)
    assert elsewhere.why("lenient") == "GRANTED"


def test_the_places_of_those_linked_count_for_a_grant() -> None:
    living = do.Refuse("p1", ("b",), place="AA")
    sides = played(*BEGIN, do.Define("a", CONSENT, special=True), do.Home("CC"), living, do.Link("p0", "p1"))
    assert sides.refusal(GRANT) == "EXPLICIT_REQUIRED"


def test_a_time_too_far_ahead_is_refused_and_a_little_ahead_counts_as_now() -> None:
    sides = played(*BEGIN)
    assert sides.refusal(replace(GRANT, told=do.FUTURE)) == "OCCURRED_IN_FUTURE"
    assert sides.refusal(replace(GRANT, told=do.AHEAD)) is None
    act = sides.people["p0"].state.acts["a"]
    assert act.effective_us == act.recorded_us


def test_an_end_that_has_passed_is_refused() -> None:
    sides = played(*BEGIN)
    assert sides.refusal(replace(GRANT, choices=(do.Choose("a", end=-1),))) == "INVALID_FIELD"


def test_the_regime_bounds_how_long_a_grant_is_valid() -> None:
    sides = played(*BEGIN, do.Home("BB"), replace(GRANT, choices=(do.Choose("a", end=500),), told=0, gap=5))
    assert _end(sides) == do.START_US + 48 * do.HOUR_US


def test_a_regime_that_did_not_apply_when_granted_bounds_its_own_checks() -> None:
    sides = played(*BEGIN, GRANT)
    assert (sides.why("lapsing", hours=47), sides.why("lapsing", hours=49)) == ("GRANTED", "EXPIRED")
    assert sides.why("plain", hours=49) == "GRANTED"


@pytest.mark.parametrize("children", [False, True])
def test_a_minor_needs_a_guardian(children: bool) -> None:
    sides = played(*BEGIN, do.Define("a", CONSENT, children=children))
    assert sides.refusal(replace(GRANT, age=2)) == "GUARDIAN_REQUIRED"


def test_an_unknown_age_is_a_childs_only_where_the_purpose_is_directed_at_children() -> None:
    assert played(*BEGIN, replace(GRANT, age=0)).why() == "GRANTED"
    sides = played(*BEGIN, do.Define("a", CONSENT, children=True))
    assert sides.refusal(replace(GRANT, age=0)) == "GUARDIAN_REQUIRED"
    assert sides.refusal(GRANT) is None


def test_a_guardian_without_the_childs_birth_date_is_refused() -> None:
    assert played(*BEGIN).refusal(replace(GRANT, age=2, guardian=True)) == "INVALID_FIELD"


def test_a_guardians_grant_ends_in_the_month_in_which_the_child_comes_of_age() -> None:
    child = replace(GRANT, age=2, guardian=True, birth=date(2015, 9, 17))
    assert _end(played(*BEGIN, child)) == _us(2031, 9)


def test_the_smallest_age_of_all_places_of_the_child_counts() -> None:
    child = replace(GRANT, age=2, guardian=True, birth=date(2015, 9, 17))
    elsewhere = do.Refuse("p0", ("b",), place="AB")
    assert _end(played(*BEGIN, elsewhere, replace(child, place="AA"))) == _us(2029, 9)
    assert _end(played(*BEGIN, elsewhere, child)) == _us(2029, 9)


def test_a_guardian_cannot_act_for_one_who_is_of_age() -> None:
    sides = played(*BEGIN)
    assert sides.refusal(replace(GRANT, guardian=True, birth=date(2010, 6, 30))) == "INVALID_FIELD"


def test_a_guardian_where_no_law_is_known_is_refused_with_a_reason() -> None:
    sides = played(*BEGIN, do.Home(""))
    catalogue.create_purpose(sides.catalogue, PurposeDef("none", {}), Moment(90, sides.clock + 1, 1))
    with pytest.raises(LedgerError) as refused:
        consent.record(
            sides.group("p0"),
            Moment(91, sides.clock + 2, 1),
            [consent.ChoiceDef("none", grant=True)],
            notice="n1",
            occurred_us=None,
            collected=Collected(guardian_method="card"),
            personal=b"",
            child_birth=date(2015, 1, 1),
        )
    assert refused.value.reason is Reason.JURISDICTION_REQUIRED


def test_a_new_place_revokes_nothing_that_the_same_act_grants() -> None:
    either = (("lapsing", "OPT_OUT"), ("plain", "CONSENT"))
    known = (do.Define("a", either), do.Define("b", either), do.Publish("n"), do.Home("BB"), GRANT)
    both = replace(GRANT, choices=(do.Choose("a"), do.Choose("b")), place="AA")
    sides = played(*known, both)
    assert [e.revoked for e in sides.log[-2:]] == [(), ()]
    assert sides.why(purpose="b") == "GRANTED"
