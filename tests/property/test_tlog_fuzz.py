"""No input, however damaged, leaves a parser of the log by an exception that is not documented, or has two spellings.

`FUZZ_RUNS` sets the runs a parser, `FUZZ_SEED` the seed. Without it the short form is the same each time and the long
one is not: `pytest -s -m slow tests/property/test_tlog_fuzz.py`.
"""

import os
import random

import pytest

from tests.property.fuzz_harness import Report, Target, fuzz
from tests.property.fuzz_tlog import TARGETS

SHORT, IN_CI, LONG = 50_000, 150_000, 1_500_000
KINDS = {"note": 9, "vkey": 4, "checkpoint": 5, "path": 4, "entries": 2, "tlog-proof": 16, "policy": 14}
"""How many refusals, told apart by their words, a parser has at least: fewer are reached if the fuzzing goes blunt."""


def _fuzz(target: Target, runs: int, seed: int) -> Report:
    report = fuzz(target, int(os.environ.get("FUZZ_RUNS", runs)), int(os.environ.get("FUZZ_SEED", seed)))
    print(report)
    return report


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_only_documented_refusals_leave_a_parser(target: Target) -> None:
    report = _fuzz(target, IN_CI if os.environ.get("CI", "").lower() == "true" else SHORT, 1)
    assert report.findings == []
    assert report.accepted > len(target.valid), "no damaged input was accepted: nothing was shown about spelling"
    assert len(report.refused) >= KINDS[target.name], report.refused


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_only_documented_refusals_leave_a_parser_in_ten_million_runs(target: Target) -> None:
    report = _fuzz(target, LONG, random.SystemRandom().randrange(1 << 32))
    assert report.findings == [], report


def test_a_parser_that_crashes_accepts_two_spellings_or_refuses_what_is_valid_is_found_out() -> None:
    def crashing(data: bytes) -> bytes:
        if data.startswith(b"a") and len(data) > 3:
            raise IndexError("a planted defect")
        return data

    def lenient(data: bytes) -> bytes:
        return data.strip()

    def refusing(data: bytes) -> bytes:
        raise ValueError("no")

    def vague(data: bytes) -> bytes:
        raise UnicodeError("a kind of ValueError that is not listed")

    for parse in (crashing, lenient, refusing, vague):
        report = fuzz(Target(parse.__name__, parse, (ValueError,), [b"abc"], [b" "]), 10_000, 1)
        assert report.findings, parse.__name__


def test_the_same_seed_gives_the_same_inputs() -> None:
    def reports(seed: int) -> list[Report]:
        return [fuzz(target, 500, seed) for target in TARGETS]

    assert [report.refused for report in reports(7)] == [report.refused for report in reports(7)]
    assert [report.refused for report in reports(7)] != [report.refused for report in reports(8)]
