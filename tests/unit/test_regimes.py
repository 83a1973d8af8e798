"""Which regimes apply to a person, and what they ask for."""

import pytest

from consentledger.regimes.load import regimes
from consentledger.regimes.model import UnknownJurisdiction, UnknownRegime


def _ids(*jurisdictions: str, sector: tuple[str, ...] = ()) -> list[str]:
    return [regime.id for regime in regimes().applying(jurisdictions, sector)]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("DE", ["gdpr"]),
        ("NO", ["gdpr"]),
        ("GB", ["uk-gdpr"]),
        ("US-CA", ["ccpa"]),
        ("US-CT", ["us-ct"]),
        ("BR", ["lgpd"]),
        ("IN", ["dpdp"]),
        ("CA-ON", ["pipeda"]),
        ("CA-QC", ["qc-law25", "pipeda"]),
    ],
)
def test_a_place_has_its_regimes(place: str, expected: list[str]) -> None:
    assert [regime.id for regime in regimes().at(place)] == expected


def test_a_subdivision_without_data_is_its_country() -> None:
    assert regimes().at("DE-BY") == regimes().at("DE")
    assert regimes().at("BR-SP") == regimes().at("BR")


@pytest.mark.parametrize("place", ["US-NY", "CH", "JP", "JP-13"])
def test_a_known_place_without_a_regime_has_none(place: str) -> None:
    assert regimes().at(place) == ()


@pytest.mark.parametrize(
    "place",
    [
        "",
        "de",
        "D",
        "DEU",
        "EU",
        "UK",
        "ZZ",
        "ZZ-1",
        "US-XX",
        "CA-ZZ",
        "DE-",
        "DE-BAYE",
        "DE_BY",
        "DE-by",
        " DE",
        "DE\n",
    ],
)
def test_a_malformed_or_unknown_place_is_an_error(place: str) -> None:
    with pytest.raises(UnknownJurisdiction) as caught:
        regimes().at(place)
    assert str(caught.value) == "'unknown jurisdiction'"
    with pytest.raises(UnknownJurisdiction):
        regimes().applying((place,), ())


def test_the_united_states_without_a_state_counts_as_all_of_them() -> None:
    states = {regime.id for place in regimes().by_place if place.startswith("US-") for regime in regimes().at(place)}
    assert set(_ids("US")) == states


def test_several_places_and_a_sector_apply_together_each_once() -> None:
    assert _ids("US-CA", "DE", "DE-BY", "US-CA", sector=("hipaa", "hipaa")) == ["ccpa", "gdpr", "hipaa"]


def test_the_order_of_the_answer_does_not_depend_on_the_order_of_the_question() -> None:
    assert _ids("US-CA", "DE", "GB") == _ids("GB", "US-CA", "DE")


def test_hipaa_never_applies_by_place() -> None:
    assert regimes().by_id["hipaa"].sectoral
    assert not any("hipaa" in ids for ids in regimes().by_place.values())
    assert _ids(sector=("hipaa",)) == ["hipaa"]


def test_an_unknown_sector_is_an_error() -> None:
    with pytest.raises(UnknownRegime):
        regimes().applying(("DE",), ("hippa",))


def test_nothing_asked_is_nothing_answered() -> None:
    assert regimes().applying((), ()) == ()


def test_an_answer_is_right_after_more_questions_than_are_remembered() -> None:
    before = regimes().applying(("US-CA",), ())
    for first in range(20_000):
        regimes().applying((f"DE-{first % 1000:03}", f"FR-{first // 1000:03}"), ())
    assert regimes().applying(("US-CA",), ()) == before


def test_the_age_is_the_places_own_then_its_countrys_then_the_regimes() -> None:
    gdpr = regimes().by_id["gdpr"]
    assert (gdpr.child_age_in("AT"), gdpr.child_age_in("AT-9"), gdpr.child_age_in("DE")) == (14, 14, 16)
    assert gdpr.child_age_in("DK") == 15


def test_ages_under_the_gdpr_are_between_13_and_16() -> None:
    gdpr = regimes().by_id["gdpr"]
    assert all(13 <= age <= 16 for age in (gdpr.child_age, *gdpr.child_ages.values()))
    assert all(regimes().at(place) == (gdpr,) for place in gdpr.child_ages)


def test_the_universal_signal_counts_in_california_and_the_eleven_other_states_that_say_so() -> None:
    honouring = {regime.id for regime in regimes().by_id.values() if regime.universal_signal}
    others = {f"us-{state}" for state in ["co", "ct", "de", "md", "mn", "mt", "ne", "nh", "nj", "or", "tx"]}
    assert honouring == others | {"ccpa"}


@pytest.mark.parametrize(("id_", "days"), [("ccpa", 15), ("us-ct", 15), ("us-ri", 15), ("us-mt", 45), ("gdpr", None)])
def test_a_revocation_has_the_deadline_of_its_regime(id_: str, days: int | None) -> None:
    assert regimes().by_id[id_].revocation_sla_days == days


def test_special_categories_need_an_explicit_act_where_the_law_says_so() -> None:
    explicit = {id_: regime.explicit_for_special_category for id_, regime in regimes().by_id.items()}
    assert explicit["gdpr"] and explicit["uk-gdpr"] and explicit["lgpd"] and explicit["hipaa"] and explicit["us-va"]
    assert not (explicit["ccpa"] or explicit["us-ut"] or explicit["us-ia"] or explicit["dpdp"])


def test_no_regime_tolerates_a_stale_notice() -> None:
    assert not any(regime.stale_notice_tolerated for regime in regimes().by_id.values())


def test_no_regime_lets_a_refusal_be_forgotten() -> None:
    assert all(regime.keep_opt_outs_after_erasure for regime in regimes().by_id.values())


def test_every_value_names_its_source() -> None:
    for regime in regimes().by_id.values():
        named = {"citation", "child_age", "explicit_for_special_category", "stale_notice_tolerated", "universal_signal"}
        named |= {"keep_opt_outs_after_erasure"}
        named |= {f"child_ages.{place}" for place in regime.child_ages}
        named |= {"revocation_sla_days"} if regime.revocation_sla_days else set()
        assert set(regime.sources) == named


def test_a_regime_can_be_a_key() -> None:
    assert len({regime: regime.id for regime in regimes().by_id.values()}) == len(regimes().by_id)


def test_all_countries_of_iso_3166_are_known() -> None:
    assert len([place for place in regimes().by_place if len(place) == 2]) == 249
    assert len([place for place in regimes().by_place if place.startswith("US-")]) == 57
    assert len([place for place in regimes().by_place if place.startswith("CA-")]) == 13
