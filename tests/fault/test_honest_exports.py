"""Honest exports verify: whole or in part, of all tenants or some, with erasures under way and done, whatever was kept.

No false alarm in a thousand random exports (`make fault`); the short form has fifty. The seed is the export's number.
"""

import io
import random
from dataclasses import dataclass

import pytest

from consentledger_verify.overview import Asked, Overview
from consentledger_verify.problems import Caution, Check
from consentledger_verify.verify import verify
from tests.support.madeexport import QUORUM, WITNESSES, Case, Parties
from tests.support.madelog import TENANTS, made_log

SHORT, LONG = 50, 1_000


@dataclass(frozen=True)
class Chosen:
    """One export, and what is held against it."""

    data: bytes
    asked: Asked
    kind: frozenset[str]
    """What is special about it."""


def test_no_honest_export_raises_an_alarm() -> None:
    check(range(SHORT))


@pytest.mark.slow
@pytest.mark.fault
def test_no_honest_export_in_a_thousand_raises_an_alarm() -> None:
    seen = check(range(SHORT, SHORT + LONG))
    assert seen == {"part", "redacted", "erasure under way", "erased", "without ciphertexts", "empty", "older"}


def check(seeds: range) -> set[str]:
    seen: set[str] = set()
    for seed in seeds:
        chosen = choose(random.Random(seed))
        view = verify(io.BytesIO(chosen.data), chosen.asked)
        told = f"seed {seed}: {[(str(f.problem), f.first, f.text) for f in view.found]}"
        assert view.code == 0 and view.finished, told
        assert not [f for f in view.found.cautions if f.problem is not Caution.CIPHERTEXT_UNDECIDED], told
        assert all(view.standing(check) == "holds" for check in made_of(chosen)), told
        held_against(view, chosen, told)
        seen |= chosen.kind
    return seen


def made_of(chosen: Chosen) -> set[Check]:
    """The checks for which there is something."""
    asked, without = chosen.asked, set[Check]()
    without |= {Check.CIPHERTEXTS, Check.PAYLOADS} if "without ciphertexts" in chosen.kind else set()
    without |= set() if asked.keys else {Check.PAYLOADS}
    without |= set() if asked.receipts else {Check.RECEIPTS}
    without |= set() if asked.receipts or asked.pins else {Check.PINS}
    return set(Check) - without


def held_against(view: Overview, chosen: Chosen, told: str) -> None:
    """Nothing was passed over in silence."""
    assert view.anchored == len(chosen.asked.pins) + len(chosen.asked.receipts), told
    assert view.honoured == len(chosen.asked.receipts), told
    assert {check for check in Check if view.standing(check) == "not checked"} == set(Check) - made_of(chosen), told
    assert view.header is not None and view.events == view.header.last - view.header.first + 1, told


def choose(chance: random.Random) -> Chosen:
    """Any of them."""
    log = made_log(chance, chance.choice((0, 1, 2, 7, 60, 120, chance.randint(3, 200))), erasures=0.15)
    case, kind = Case.of(log, Parties.of(chance)), set[str]()
    size = log.size
    if size and chance.random() < 0.2:  # as it was exported when there was less
        size = chance.randint(1, size)
        kind |= {"older"} if size < log.size else set()
    first, last = 1, size
    if size and chance.random() < 0.4:
        first = chance.randint(1, size)
        last = chance.randint(first, size)
        kind |= {"part"} if last - first + 1 < size else set()
    tenants = chance.sample(TENANTS, chance.randint(1, 3)) if chance.random() < 0.4 else []
    ciphertexts = chance.random() < 0.7
    kind |= {"redacted"} if tenants else set()
    kind |= set() if ciphertexts else {"without ciphertexts"}
    kind |= set() if size else {"empty"}
    kind |= {"erasure under way"} if any(p.erased and not p.destroyed for p in log.persons.values()) else set()
    kind |= {"erased"} if any(p.destroyed for p in log.persons.values()) else set()
    witnesses = chance.sample(WITNESSES, chance.randint(QUORUM, len(WITNESSES)))
    data = case.file(first, last, size, tenants=tenants, ciphertexts=ciphertexts, witnesses=witnesses)
    pins = tuple(case.pin(chance.randint(first - 1, last)) for _ in range(chance.randint(0, 4)))
    places = [chance.randint(first, last) for _ in range(chance.randint(0, 3))] if last >= first else []
    receipts = tuple(case.receipt(place, chance.randint(place, last)) for place in places)
    keys = log.keys() if chance.random() < 0.7 else {}
    return Chosen(data, case.asked(pins=pins, receipts=receipts, keys=keys), frozenset(kind))
