"""No file, however damaged, leaves the offline verifier by an exception that is not documented, or has two spellings.

`FUZZ_RUNS` sets the runs of the fastest target, `FUZZ_SEED` the seed. Without it the short form is the same each time
and the long one is not.
"""

import os
import random

import pytest

from tests.property.fuzz_harness import Report, Target, fuzz
from tests.property.fuzz_verify import TARGETS

SHORT, LONG = 25_000, 600_000
SHARE = {
    "export": 1.0,
    "leaf": 0.7,
    "keys": 0.2,
    "verify": 0.06,
    "receipt": 0.02,
    "receipts": 0.01,
    "consistency": 0.02,
}
"""Of the runs, by target: in all, twice what the fastest has."""
KINDS = {"export": 20, "leaf": 11, "keys": 2, "verify": 20, "receipt": 6, "receipts": 6, "consistency": 3}
"""How many refusals, told apart by their words, a target has at least: fewer are reached if the fuzzing goes blunt."""


def _fuzz(target: Target, runs: int, seed: int) -> Report:
    runs = int(int(os.environ.get("FUZZ_RUNS", runs)) * SHARE[target.name])
    report = fuzz(target, runs, int(os.environ.get("FUZZ_SEED", seed)))
    print(report)
    return report


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_only_documented_refusals_leave_the_verifier(target: Target) -> None:
    report = _fuzz(target, SHORT, 1)
    assert report.findings == []
    assert len(report.refused) >= KINDS[target.name], report.refused


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_only_documented_refusals_leave_the_verifier_in_a_million_runs(target: Target) -> None:
    report = _fuzz(target, LONG, random.SystemRandom().randrange(1 << 32))
    assert report.findings == [], report
