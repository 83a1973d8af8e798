"""The table of decisions, row by row, and how several regimes combine."""

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.regimes.load import regimes
from consentledger.store.moment import Moment
from services.consent.domain.catalogue import Basis, Catalogue, PurposeDef, TenantDef
from services.consent.domain.decision import Why, decide
from services.consent.domain.group import regimes_for
from services.consent.domain.state import PersonState
from tests.property import commands as do
from tests.property.laws import REGIMES
from tests.property.play import Sides, played

FREE = ("CONTRACT", "LEGAL_OBLIGATION", "VITAL_INTEREST", "PUBLIC_TASK")
GRANT = do.Record("p0", (do.Choose("a"),), age=1)
EXPLICIT = do.Record("p0", (do.Choose("a", explicit=True),), age=1)


def _with(basis: str, *commands: do.Command, kept: bool = False) -> Sides:
    return played(do.Define("a", (("plain", basis), ("lenient", basis)), kept=kept), do.Publish("n"), *commands)


def test_opt_in_is_allowed_only_while_granted() -> None:
    assert _with("CONSENT").why() == "NO_RECORD"
    assert _with("CONSENT", GRANT).why() == "GRANTED"
    assert _with("CONSENT", GRANT, do.Refuse("p0", ("a",))).why() == "WITHDRAWN"


@pytest.mark.parametrize("basis", ["OPT_OUT", "LEGITIMATE_INTEREST"])
def test_opt_out_is_allowed_until_refused_or_signalled(basis: str) -> None:
    assert _with(basis).why() == "NOT_OPTED_OUT"
    assert _with(basis, do.Record("p0", (do.Choose("a", grant=False),))).why() == "DENIED"
    assert _with(basis, do.Refuse("p0", (), objection=True)).why() == "OBJECTED"
    assert _with(basis, GRANT, do.Signal("p0", on=True)).why() == "UNIVERSAL_SIGNAL"
    assert _with(basis, do.Signal("p0", on=True), do.Signal("p0", on=False)).why() == "NOT_OPTED_OUT"


def test_a_signal_is_no_withdrawal_of_consent() -> None:
    assert _with("CONSENT", GRANT, do.Signal("p0", on=True)).why() == "GRANTED"


@pytest.mark.parametrize("basis", FREE)
def test_a_withdrawal_does_not_apply_where_no_consent_is_needed(basis: str) -> None:
    assert _with(basis, do.Refuse("p0")).why() == "CONSENT_NOT_NEEDED"


@pytest.mark.parametrize("basis", FREE)
def test_a_change_of_basis_never_lifts_a_refusal_that_stands(basis: str) -> None:
    changed = do.Define("a", (("plain", basis), ("lenient", basis)), gap=1)
    assert _with("CONSENT", do.Refuse("p0"), changed).why() == "WITHDRAWN"
    assert _with("OPT_OUT", do.Refuse("p0", ("a",), objection=True), changed).why() == "OBJECTED"
    assert _with("CONSENT", do.Refuse("p0"), changed, do.Refuse("p0", ("a",), gap=1)).why() == "WITHDRAWN"
    assert _with("CONSENT", GRANT, changed).why() == "CONSENT_NOT_NEEDED"
    assert _with("CONSENT", changed, do.Refuse("p0", gap=1)).why() == "CONSENT_NOT_NEEDED"


def test_explicit_consent_needs_an_explicit_grant() -> None:
    assert _with("EXPLICIT_CONSENT", GRANT).why() == "NOT_EXPLICIT"
    assert _with("EXPLICIT_CONSENT", EXPLICIT).why() == "GRANTED"


def test_special_categories_need_an_explicit_grant_under_the_regimes_that_say_so() -> None:
    sides = _with(
        "CONSENT", do.Home("CC"), GRANT, do.Define("a", (("plain", "CONSENT"), ("lenient", "CONSENT")), special=True)
    )
    assert (sides.why("plain"), sides.why("lenient")) == ("NOT_EXPLICIT", "GRANTED")


def test_a_material_notice_makes_older_grants_stale_unless_tolerated() -> None:
    sides = _with("CONSENT", GRANT, do.Publish("n", material=True))
    assert (sides.why("plain"), sides.why("lenient")) == ("NOTICE_STALE", "GRANTED")


def test_a_notice_that_is_not_material_or_of_another_name_or_purpose_changes_nothing() -> None:
    other = (
        do.Define("b", ()),
        do.Publish("n"),
        do.Publish("m", True),
        do.Publish("n", material=True, purposes=("b",)),
    )
    assert _with("CONSENT", GRANT, *other).why() == "GRANTED"


def test_a_restriction_bars_all_but_what_the_law_keeps() -> None:
    restricted = do.Restrict("p0", on=True)
    assert _with("CONTRACT", restricted).why() == "RESTRICTED"
    assert _with("CONTRACT", restricted, kept=True).why() == "CONSENT_NOT_NEEDED"
    assert _with("CONSENT", restricted, kept=True).why() == "NO_RECORD"
    assert _with("CONTRACT", restricted, do.Restrict("p0", on=False)).why() == "CONSENT_NOT_NEEDED"


@pytest.mark.parametrize(("kept", "why"), [(False, Why.ERASURE_IN_PROGRESS), (True, Why.CONSENT_NOT_NEEDED)])
def test_an_erasure_in_progress_bars_all_but_what_the_law_keeps(kept: bool, why: Why) -> None:
    purpose = PurposeDef("a", {"plain": Basis.CONTRACT}, kept_by_law=kept)
    verdict = decide(purpose, [PersonState(), PersonState(erasing=True)], [REGIMES["plain"]], lambda *_: False, 0)
    assert (verdict.why, verdict.allowed) == (why, kept)


def test_a_retired_purpose_is_never_allowed() -> None:
    assert _with("CONTRACT", do.Retire("a"), kept=True).why() == "PURPOSE_RETIRED"


def test_a_regime_for_which_the_purpose_has_no_basis_refuses() -> None:
    assert _with("CONTRACT").why("sector") == "NO_LEGAL_BASIS"


def test_the_most_protective_regime_wins() -> None:
    sides = played(do.Define("a", (("plain", "CONSENT"), ("lenient", "OPT_OUT"))))
    assert sides.verdict("p0", "a", ["lenient", "plain"], sides.clock).why.name == "NO_RECORD"
    assert sides.verdict("p0", "a", ["lenient"], sides.clock).allowed


def test_a_decision_under_no_regime_is_an_error() -> None:
    with pytest.raises(ValueError, match="regime"):
        decide(PurposeDef("a", {}), [PersonState()], [], lambda *_: False, 0)


def test_an_answer_says_until_when_it_holds() -> None:
    sides = _with("CONSENT", do.Record("p0", (do.Choose("a", end=3),), age=1))
    end = sides.people["p0"].state.acts["a"].expires_us
    assert end is not None
    assert sides.verdict("p0", "a", ["plain"], end - 1).valid_until_us == end
    assert not sides.verdict("p0", "a", ["plain"], end).allowed


def _catalogue(default: str) -> Catalogue:
    return Catalogue.open(TenantDef("acme", default_jurisdiction=default), Moment(0, 1, 1))


def _applying(default: str, *places: str, sectors: tuple[str, ...] = ()) -> set[str]:
    purpose = PurposeDef("a", {}, sector_regimes=sectors)
    return {r.id for r in regimes_for(regimes(), _catalogue(default), purpose, places)}


def test_every_place_known_counts_and_the_tenants_only_when_none_has_a_regime() -> None:
    assert _applying("GB", "DE", "US-CA") == {"gdpr", "ccpa"}
    assert _applying("GB") == {"uk-gdpr"}
    assert _applying("GB", "US-NY") == {"uk-gdpr"}


def test_the_regimes_of_the_sector_always_apply() -> None:
    assert _applying("", sectors=("hipaa",)) == {"hipaa"}
    assert _applying("GB", sectors=("hipaa",)) == {"uk-gdpr", "hipaa"}


@pytest.mark.parametrize(("places", "reason"), [((), Reason.JURISDICTION_REQUIRED), (("QQ",), Reason.INVALID_FIELD)])
def test_no_place_or_an_unknown_one_is_an_error(places: tuple[str, ...], reason: Reason) -> None:
    with pytest.raises(LedgerError) as refused:
        _applying("", *places)
    assert refused.value.reason is reason
