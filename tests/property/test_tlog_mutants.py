"""The tests of the transparency log notice what is wrong: nearly all wrong versions of it are found out, the rest are
explained. `make test` tries some of them, the slow form all.

    pytest -s -m slow tests/property/test_tlog_mutants.py
"""

import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from tests.support.mutant_run import MODULES, ROOT, all_mutants
from tests.support.mutants import mutants

LEAST_SCORE = 0.9
SOME = 24
"""The short form tries one in so many."""

# Nothing tells these from the right version: the reason stands beside each.
EQUIVALENT = {
    ("policy", "check: cosigned_at(one) or 0 -> cosigned_at(one)"): (
        "No time is stated by plain signatures only, and no witness has a key for those; it is there for the type."
    ),
    ("policytext", "read_policy: '#' -> '#x'"): "A blank line is read as a comment, and both are comments.",
    ("proofs", "root_from_inclusion: place and (not place & 1) -> not place & 1"): (
        "The loop is entered with a place of 0 only if the last place is 0 too, which is refused just before."
    ),
    ("proofs", "verify_consistency: place and (not place & 1) -> not place & 1"): "As for inclusion.",
    (
        "proofs",
        "verify_consistency: _check_hashes(old_root, new_root, *proof) -> _check_hashes(new_root, old_root, *proof)",
    ): "Every hash is checked, in whatever order.",
    ("spelling", "read_base64: True -> False"): (
        "What a lenient reader lets pass is written back otherwise, which is refused two lines on."
    ),
    (
        "spelling",
        "is_line: '\\udfff' -> '\\udfffx'",
    ): "One character is never equal to two, and those above stay above.",
    ("tiles", "perfect_root: 0 -> -1 #2"): "The last row has one hash, which is the first and the last.",
    ("tree", "unpack: if len(packed) % HASH_SIZE: -> if False:"): "An edge refuses the last, short hash itself.",
    ("tree", "unpack: raise BadEdge('a hash is 32 bytes') -> pass"): "An edge refuses the last, short hash itself.",
}


def _run(every: int) -> list[dict[str, Any]]:
    """Each mutant tried, with what killed it; shared among as many processes as there are cores."""
    of = os.cpu_count() or 1
    command = [sys.executable, "-m", "tests.support.mutant_run"]
    running = [
        subprocess.Popen([*command, str(share), str(of), str(every)], cwd=ROOT, stdout=subprocess.PIPE)
        for share in range(of)
    ]
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * of
    return [json.loads(line) for part in said for line in part.splitlines()]


def _judge(tried: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """The survivors; prints the score, fails if it is low or one of them is not explained."""
    survivors = {(one["module"], one["name"]) for one in tried if one["killed"] is None}
    lost, total = Counter(module for module, _ in survivors), Counter(one["module"] for one in tried)
    for module in MODULES:
        print(f"{module}: {total[module] - lost[module]} of {total[module]} mutants killed")
    score = 1 - len(survivors) / len(tried)
    print(f"score {score:.1%} of {len(tried)}")
    for survivor in sorted(survivors):
        print(f"survived {survivor}: {EQUIVALENT.get(survivor, 'NOT EXPLAINED')}")
    assert survivors - EQUIVALENT.keys() == set()
    assert score >= LEAST_SCORE
    return survivors


def test_some_of_the_mutants_are_killed_or_explained() -> None:
    tried = _run(SOME)
    assert len(tried) == -(-len(all_mutants()) // SOME)
    _judge(tried)


@pytest.mark.slow
def test_all_of_the_mutants_are_killed_or_explained() -> None:
    tried = _run(1)
    assert len(tried) == len(all_mutants()) > 1_000
    assert _judge(tried) == EQUIVALENT.keys(), "an explanation outlived its mutant"


def test_every_explained_mutant_is_one_that_is_made() -> None:
    made = {(module, mutant.name) for module, mutant in all_mutants()}
    assert EQUIVALENT.keys() <= made


def test_mutants_are_wrong_in_one_place_each_and_leave_words_alone() -> None:
    source = (
        '"""Doc."""\n__all__ = ["f"]\n\n\ndef f(a: "int") -> "int":\n    if a < 3:\n        raise ValueError("no")\n'
    )
    source += '    "Doc."\n    return a + 1\n'
    assert [mutant.name for mutant in mutants(source, "f.py")] == [
        "f: if a < 3: -> if True:",
        "f: if a < 3: -> if False:",
        "f: a < 3 -> a <= 3",
        "f: a < 3 -> a >= 3",
        "f: 3 -> 4",
        "f: 3 -> 2",
        "f: raise ValueError('no') -> pass",
        "f: return a + 1 -> return None",
        "f: a + 1 -> a - 1",
        "f: 1 -> 2",
        "f: 1 -> 0",
    ]
