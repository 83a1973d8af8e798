"""The regimes and places of the property tests: few, so that they meet often, with every rule a regime can have.

`plain` has an age of its own in one place, `lapsing` ends grants by itself, `lenient` tolerates stale notices, `sector`
applies by purpose only. NN is a place without a regime; CD is under two.
"""

from types import MappingProxyType

from consentledger.regimes.model import Regime, Regimes

PLACES: dict[str, tuple[str, ...]] = {
    "AA": ("plain",),
    "AB": ("plain",),
    "BB": ("lapsing",),
    "CC": ("lenient",),
    "CD": ("lenient", "plain"),
    "NN": (),
}


def _regime(
    id_: str,
    age: int,
    *,
    ages: dict[str, int] | None = None,
    explicit: bool = False,
    tolerant: bool = False,
    days: int | None = None,
    sectoral: bool = False,
) -> Regime:
    return Regime(
        id=id_,
        title=id_,
        version=1,
        child_age=age,
        child_ages=MappingProxyType(ages or {}),
        explicit_for_special_category=explicit,
        stale_notice_tolerated=tolerant,
        grant_validity_days=days,
        universal_signal=False,
        revocation_sla_days=None,
        sectoral=sectoral,
    )


REGIMES: dict[str, Regime] = {
    r.id: r
    for r in (
        _regime("plain", 16, ages={"AB": 14}, explicit=True),
        _regime("lapsing", 13, days=2),
        _regime("lenient", 18, tolerant=True),
        _regime("sector", 15, explicit=True, sectoral=True),
    )
}

LAWS = Regimes(by_id=MappingProxyType(REGIMES), by_place=MappingProxyType(PLACES))
"""The same as the domain takes them."""
