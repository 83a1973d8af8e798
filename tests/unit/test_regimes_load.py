"""Data that is not exactly as it should be refuses to load."""

import pytest

from consentledger.regimes.load import InvalidRegimes, parse

REGIME = """
id = "gdpr"
title = "A law"
version = 3
citation = "Law 1"
sectoral = false
child_age = 16
child_age_source = "Art. 8"
explicit_for_special_category = true
explicit_for_special_category_source = "Art. 9"
stale_notice_tolerated = false
stale_notice_tolerated_source = "Art. 7"
universal_signal = false
universal_signal_source = "none"
keep_opt_outs_after_erasure = true
keep_opt_outs_after_erasure_source = "Art. 21"
grant_validity_days = 730
grant_validity_days_source = "Art. 10"
[child_ages]
AT = { age = 14, source = "Law 2" }
"""
PLACES = """
version = 1
[[group]]
source = "Art. 3"
regimes = ["gdpr"]
places = ["AT", "DE"]
"""


def _load(regime: str = REGIME, places: str = PLACES) -> None:
    parse({"one.toml": regime, "jurisdictions.toml": places})


def test_a_regime_is_read_as_written() -> None:
    [regime] = parse({"one.toml": REGIME, "jurisdictions.toml": PLACES}).at("AT")
    assert (regime.id, regime.title, regime.version, regime.child_age_in("AT")) == ("gdpr", "A law", 3, 14)
    assert (regime.grant_validity_days, regime.revocation_sla_days) == (730, None)
    assert regime.sources["child_ages.AT"] == "Law 2"


def test_tables_of_a_shared_file_complete_its_defaults() -> None:
    [head, ages] = REGIME.replace('id = "gdpr"', "").split("[child_ages]")
    shared = (
        f'[defaults]\n{head}\n[defaults.child_ages]\n{ages}\n[regimes.gdpr]\nversion = 4\n[regimes.other]\ntitle = "B"'
    )
    found = parse({"two.toml": shared, "jurisdictions.toml": PLACES}).by_id
    assert [(regime.id, regime.title, regime.version) for regime in found.values()] == [
        ("gdpr", "A law", 4),
        ("other", "B", 3),
    ]


@pytest.mark.parametrize("key", [line.partition(" =")[0] for line in REGIME.strip().splitlines()[:-4]])
def test_a_missing_key_refuses(key: str) -> None:
    without = "\n".join(line for line in REGIME.splitlines() if not line.startswith(f"{key} ="))
    with pytest.raises(InvalidRegimes, match=key):
        _load(without)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("child_age = 16", "child_age = 16\nchild_agee = 16"),
        ("child_age = 16", "child_age = 0"),
        ("child_age = 16", "child_age = true"),
        ("child_age = 16", "child_age = 16.0"),
        ("universal_signal = false", "universal_signal = 0"),
        ('"Law 1"', '" "'),
        ("grant_validity_days = 730", "grant_validity_days = 0"),
        ("grant_validity_days = 730\n", ""),
        ("age = 14, source", "age = 14, why"),
        ("AT = {", "XX = {"),
        ('id = "gdpr"', 'id = "gdpr'),
    ],
)
def test_a_regime_that_is_not_as_it_should_be_refuses(old: str, new: str) -> None:
    assert old in REGIME
    with pytest.raises(InvalidRegimes):
        _load(REGIME.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"gdpr"', '"gdp"'),
        ('"DE"', '"AT"'),
        ('"DE"', '"de"'),
        ('"DE"', '"FR-75"'),
        ('"DE"', "7"),
        ("places", "place"),
        ("regimes =", "regime ="),
        ("source", "why"),
        ("version = 1", ""),
        ("[[group]]", "[[groups]]"),
    ],
)
def test_a_map_of_places_that_is_not_as_it_should_be_refuses(old: str, new: str) -> None:
    assert old in PLACES
    with pytest.raises(InvalidRegimes):
        _load(places=PLACES.replace(old, new))


def test_a_sectoral_regime_given_a_place_refuses() -> None:
    with pytest.raises(InvalidRegimes, match="never applies by place"):
        _load(REGIME.replace("sectoral = false", "sectoral = true"))


def test_a_regime_given_twice_refuses() -> None:
    with pytest.raises(InvalidRegimes, match="given twice"):
        parse({"one.toml": REGIME, "two.toml": REGIME, "jurisdictions.toml": PLACES})


def test_data_without_places_refuses() -> None:
    with pytest.raises(InvalidRegimes, match="missing"):
        parse({"one.toml": REGIME})
