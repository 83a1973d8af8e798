"""The checker of histories, checked: it takes what one copy could have answered, and finds what it could not."""

import random
from collections.abc import Sequence
from math import inf

import pytest

from tests.support.history import (
    CHECK,
    DENIED,
    GRANTED,
    REFUSALS,
    UNKNOWN,
    WITHDRAWN,
    Key,
    Seen,
    check,
    not_linearizable,
    refusal_violations,
    staleness,
    write,
)
from tests.support.linearizability import Operation

HISTORIES = 150
OPT_IN = Key("ada", "marketing.email", "DE", opt_out=False)
OPT_OUT = Key("ada", "data.sale", "US-CA", opt_out=True)
NOTHING, YES, NO = Seen(False, UNKNOWN, 0), Seen(True, GRANTED, 1), Seen(False, WITHDRAWN, 2)

LINEARIZABLE: dict[str, list[Operation]] = {
    "nothing": [],
    "one after another": [check(0, 1, NOTHING), write(2, 3, GRANTED, 1), check(4, 5, YES), write(6, 7, WITHDRAWN, 2)],
    "a check beside a write sees it": [write(0, 9, GRANTED, 1), check(1, 2, YES)],
    "a check beside a write does not see it": [write(0, 9, GRANTED, 1), check(1, 2, NOTHING)],
    "first seen, then acknowledged": [write(0, 9, GRANTED, 1), check(1, 2, NOTHING), check(3, 4, YES)],
    "two writes at once": [write(0, 9, WITHDRAWN, 2), write(1, 9, GRANTED, 1), check(10, 11, NO)],
    "an unknown outcome that happened": [write(0, inf, GRANTED), check(5, 6, YES), check(7, 8, YES)],
    "an unknown outcome that happened late": [write(0, inf, GRANTED), check(1, 2, NOTHING), check(7, 8, YES)],
    "an unknown outcome that never happened": [write(0, inf, GRANTED), check(5, 6, NOTHING)],
    "two alike of unknown outcome, both happened": [
        write(0, inf, WITHDRAWN), write(0, inf, WITHDRAWN), write(2, 3, GRANTED, 1), check(3, 4, YES), check(5, 6, NO),
        write(6, 7, GRANTED, 3), check(7, 8, Seen(False, WITHDRAWN, 4)),
    ],
}  # fmt: skip

NOT_LINEARIZABLE: dict[str, list[Operation]] = {
    "a read of nothing after a grant": [write(0, 1, GRANTED, 1), check(2, 3, NOTHING)],
    "a stale read": [write(0, 1, GRANTED, 1), write(2, 3, WITHDRAWN, 2), check(4, 5, YES)],
    "seen, then unseen": [write(0, 9, GRANTED, 1), check(1, 2, YES), check(3, 4, NOTHING)],
    "a decision that does not fit the state": [write(0, 1, WITHDRAWN, 2), check(2, 3, Seen(True, WITHDRAWN, 2))],
    "the right state, the wrong evidence": [write(0, 1, GRANTED, 1), write(2, 3, GRANTED, 2), check(4, 5, YES)],
    "positions that run back": [write(0, 1, GRANTED, 2), write(2, 3, WITHDRAWN, 1)],
    "seen before it was asked for": [check(0, 1, YES), write(2, 3, GRANTED, 1)],
    "a write that nobody asked for": [check(0, 1, YES)],
    "one unknown outcome cannot have happened twice": [
        write(0, inf, GRANTED), check(1, 2, YES), write(3, 4, WITHDRAWN, 2), check(5, 6, Seen(True, GRANTED, 3)),
    ],
    "an unknown outcome of the other kind": [write(0, inf, GRANTED), check(1, 2, NO)],
}  # fmt: skip


@pytest.mark.parametrize("name", LINEARIZABLE)
def test_what_one_copy_could_have_answered_is_taken(name: str) -> None:
    assert not_linearizable(OPT_IN, LINEARIZABLE[name]) is None


@pytest.mark.parametrize("name", NOT_LINEARIZABLE)
def test_what_no_copy_could_have_answered_is_found(name: str) -> None:
    assert not_linearizable(OPT_IN, NOT_LINEARIZABLE[name]) is not None


def test_the_first_answer_that_nothing_explains_is_named() -> None:
    operations = NOT_LINEARIZABLE["a stale read"]
    assert not_linearizable(OPT_IN, operations) is operations[-1]


def test_an_opt_out_purpose_is_allowed_before_anything_is_recorded() -> None:
    before = [check(0, 1, Seen(True, UNKNOWN, 0))]
    assert not_linearizable(OPT_OUT, before) is None
    assert not_linearizable(OPT_IN, before) is not None


class Copy:
    """A register that callers use at once: each call takes effect at a moment between its start and its end."""

    def __init__(self, seed: int, *, callers: int, operations: int = 200) -> None:
        chance = random.Random(seed)
        free = [0.0] * callers
        calls = []
        for _ in range(operations):
            caller = min(range(callers), key=lambda n: free[n])
            start = free[caller] + chance.expovariate(1.0)
            end = start + chance.expovariate(0.5)
            free[caller] = end
            kind = chance.choice((CHECK, CHECK, GRANTED, DENIED, WITHDRAWN))
            calls.append((chance.uniform(start, end), start, end, kind, chance.random() < 0.05))
        self.calls = sorted(calls, key=lambda made: made[0])

    def history(self, *, lost: int = -1, stale: int = -1) -> list[Operation]:
        """What callers see; now and then one does not learn the outcome of a write. Planted, if asked for: the update
        by call `lost` is acknowledged and forgotten; the check `stale` answers what stood before the newest write.
        """
        state, before, position = (UNKNOWN, 0), (UNKNOWN, 0), 0
        seen = []
        for n, (_, start, end, kind, in_doubt) in enumerate(self.calls):
            if kind == CHECK:
                answer = before if n == stale else state
                seen.append(check(start, end, Seen(OPT_IN.allows(answer[0]), *answer)))
                continue
            assert isinstance(kind, int)
            position += 1
            seen.append(write(start, inf if in_doubt else end, kind, 0 if in_doubt else position))
            if n != lost:
                before, state = state, (kind, position)
        return seen


def missed(operations: Sequence[Operation], n: int) -> bool:
    """Whether somebody would miss the write `n`: a check that began after its acknowledgement, and saw it."""
    written = operations[n]
    return any(
        o.input == CHECK and o.start > written.end and o.output.position == written.output for o in operations[n:]
    )


def test_histories_of_one_copy_are_linearizable() -> None:
    for seed in range(60):
        assert not_linearizable(OPT_IN, Copy(seed, callers=10).history()) is None, seed


def test_planted_stale_reads_are_found() -> None:
    found = tried = 0
    for seed in range(HISTORIES):
        copy = Copy(seed, callers=3)
        newest: Operation | None = None
        for n, operation in enumerate(copy.history()):
            # A check that began after the newest write was acknowledged, and while no other write was in flight.
            if operation.input != CHECK:
                newest = operation
            elif newest is not None and newest.end < operation.start and n > len(copy.calls) // 2:
                tried += 1
                found += not_linearizable(OPT_IN, copy.history(stale=n)) is not None
                break
    print(f"stale reads: {found} of {tried} found")
    assert tried >= 0.75 * HISTORIES and found >= 0.95 * tried


def test_planted_lost_updates_are_found() -> None:
    found = tried = 0
    for seed in range(HISTORIES):
        copy = Copy(seed, callers=3)
        truth = copy.history()
        late = range(len(truth) // 2, len(truth))
        candidates = [n for n in late if truth[n].input != CHECK and missed(truth, n)]
        if candidates:
            tried += 1
            found += not_linearizable(OPT_IN, copy.history(lost=candidates[0])) is not None
    print(f"lost updates: {found} of {tried} found")
    assert tried >= 0.75 * HISTORIES and found >= 0.95 * tried


@pytest.mark.parametrize("refusal", REFUSALS)
def test_allowed_after_an_acknowledged_refusal_is_found_without_any_search(refusal: int) -> None:
    refused = [write(0, 1, GRANTED, 1), write(2, 3, refusal, 2)]
    late = check(4, 5, YES)
    assert refusal_violations([*refused, late]) == (1, [late])
    assert refusal_violations([*refused, check(4, 5, Seen(False, refusal, 2))]) == (1, [])


def test_a_grant_that_may_be_newer_excuses_an_allowed() -> None:
    refused = write(2, 3, WITHDRAWN, 2)
    for grant in (write(2.5, 6, GRANTED, 3), write(4.5, 6, GRANTED, 3), write(0, 2.5, GRANTED, 1)):
        assert refusal_violations([refused, grant, check(4, 5, YES)]) == (0, [])
    assert refusal_violations([refused, write(6, 7, GRANTED, 3), check(4, 5, YES)])[0] == 1


def test_a_grant_of_unknown_outcome_excuses_only_newer_evidence() -> None:
    acts = [write(0, inf, GRANTED), write(2, 3, WITHDRAWN, 2)]
    newer, older = check(4, 5, Seen(True, GRANTED, 3)), check(4, 5, YES)
    assert refusal_violations([*acts, newer]) == (1, [])
    assert refusal_violations([*acts, older]) == (1, [older])


def test_staleness_is_how_long_before_the_question_the_answer_ceased_to_be_true() -> None:
    acts = [write(0, 1, GRANTED, 1), write(2, 3, WITHDRAWN, 2), write(4, 5, GRANTED, 3)]
    assert staleness([*acts, check(6, 7, Seen(True, GRANTED, 3))]) == [0.0]
    assert staleness([*acts, check(6, 7, NO)]) == [1.0]
    assert staleness([*acts, check(6, 7, YES)]) == [3.0]
    assert staleness([*acts, check(2.5, 7, YES)]) == [0.0]
