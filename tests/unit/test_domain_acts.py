"""How acts about one purpose combine."""

from dataclasses import replace
from itertools import permutations, product

import pytest

from services.consent.domain.acts import Act, Kind, effective_time, stronger

GRANT = Act(Kind.GRANT, 10, 20, 1, 1, "n1", explicit=True)


def test_the_later_act_stands() -> None:
    later = Act(Kind.DENY, 11, 19, 2, 2)
    assert stronger(GRANT, later) is later


@pytest.mark.parametrize(
    ("mild", "firm"), [(Kind.GRANT, Kind.DENY), (Kind.DENY, Kind.WITHDRAW), (Kind.WITHDRAW, Kind.OBJECT)]
)
def test_at_equal_times_the_more_protective_act_stands(mild: Kind, firm: Kind) -> None:
    one, other = replace(GRANT, kind=mild), replace(GRANT, kind=firm, position=2)
    assert stronger(one, other) == stronger(other, one) == other


def test_tied_grants_allow_only_what_both_allow() -> None:
    other = replace(GRANT, position=2, notice="n2", explicit=False, expires_us=50)
    both = stronger(GRANT, other)
    assert both is not None
    assert (both.notice, both.explicit, both.expires_us) == ("", False, 50)


def test_acts_combine_the_same_in_any_order() -> None:
    shapes = product((Kind.GRANT, Kind.WITHDRAW), (10, 11), ("n1", "n2"), (None, 40), (False, True))
    acts = [
        Act(kind, effective, 20, position, position, notice, expires_us=end, expired=expired)
        for position, (kind, effective, notice, end, expired) in enumerate(shapes, start=1)
    ]
    for trio in zip(acts, acts[5:], acts[11:], strict=False):
        assert len({stronger(stronger(a, b), c) for a, b, c in permutations(trio)}) == 1


def test_an_act_takes_effect_when_told_but_never_after_it_was_recorded() -> None:
    assert effective_time(Kind.GRANT, 5, 9) == 5
    assert effective_time(Kind.GRANT, 12, 9) == 9
    assert effective_time(Kind.WITHDRAW, None, 9) == 9
