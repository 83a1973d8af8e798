"""Acts are ordered by when they took effect, never by when they arrived."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.property import commands as do
from tests.property.amount import examples
from tests.property.laws import REGIMES
from tests.property.play import Sides
from tests.property.recorder import Recorder

CATALOGUE: do.History = (
    do.Define("a", (("lapsing", "CONSENT"), ("lenient", "CONSENT"), ("plain", "EXPLICIT_CONSENT"))),
    do.Define("b", (("lapsing", "OPT_OUT"), ("plain", "CONSENT"))),
    do.Define("c", (("plain", "CONSENT"),)),
    do.Publish("n"),
    do.Publish("n", material=True, purposes=("a",)),
    do.Publish("m"),
    do.Home("AA"),
    do.Link("p0", "p1", gap=20),
)
MOMENTS = tuple(do.START_US + hour * do.HOUR_US for hour in (0, 25, 49, 52, 60))
"""Before any end of a grant, and between the ends that `lapsing` sets."""

_about = st.sampled_from(("a", "a", "b"))


def _acts(hours: st.SearchStrategy[int]) -> st.SearchStrategy[do.Command]:
    grants = st.builds(
        lambda who, purpose, yes, explicit, notice, told: do.Record(
            who, (do.Choose(purpose, yes, explicit),), notice, told, age=1, imported=True
        ),
        st.sampled_from(("p0", "p0", "p1")),
        _about,
        st.sampled_from((True, True, False)),
        st.booleans(),
        st.sampled_from(("n1", "n2", "n2", "m1", "x9")),
        hours,
    )
    refusals = st.builds(
        do.Refuse,
        st.sampled_from(("p0", "p1")),
        st.one_of(st.just(()), _about.map(lambda p: (p,))),
        st.booleans(),
        hours,
    )
    return st.one_of(grants, grants, refusals)


def _arrivals(acts: Sequence[do.Command]) -> st.SearchStrategy[tuple[Sequence[do.Command], Sequence[do.Command]]]:
    return st.tuples(st.just(acts), st.permutations(acts))


ties = st.lists(_acts(st.integers(0, 4)), min_size=2, max_size=8).flatmap(_arrivals)
distinct = (
    st.lists(_acts(st.just(0)), min_size=2, max_size=8)
    .map(lambda acts: [_at(act, hour) for hour, act in enumerate(acts)])
    .flatmap(_arrivals)
)


def _at(act: do.Command, hour: int) -> do.Command:
    assert isinstance(act, do.Record | do.Refuse)
    return type(act)(**{f: getattr(act, f) for f in act.__slots__} | {"told": hour})


def _play(acts: Sequence[do.Command]) -> Sides:
    sides = Sides()
    for step in sides.play((*CATALOGUE, *acts)):
        assert step.refusal is None
    return sides


def check_any_order(acts: Sequence[do.Command], arrived: Sequence[do.Command]) -> None:
    """However they arrived, the domain says what the model says of them in their first order."""
    model = Recorder()
    for n, command in enumerate((*CATALOGUE, *acts)):
        assert not model.apply(command, do.START_US + 20 * do.HOUR_US + n)
    sides = _play(arrived)
    for who in ("p0", "p1"):
        for purpose in do.PURPOSES:
            for now in MOMENTS:
                (standing,) = sides.group(who).standing([purpose], now)
                assert standing.state.name == model.view.state(who, purpose, now), "state"
                for regime in REGIMES:
                    answer = model.view.check(who, purpose, [regime], now)
                    assert sides.verdict(who, purpose, [regime], now).allowed == answer.allowed, "allowed"


@examples(70)
@given(ties)
def test_no_order_of_arrival_changes_what_is_allowed(both: tuple[Sequence[do.Command], Sequence[do.Command]]) -> None:
    check_any_order(*both)


@examples(70)
@given(distinct)
def test_acts_of_different_times_stand_the_same_in_any_order(
    both: tuple[Sequence[do.Command], Sequence[do.Command]],
) -> None:
    one, other = (_play(acts) for acts in both)
    for who in ("p0", "p1"):
        for purpose in do.PURPOSES:
            acts = [s.people[who].state.standing(purpose) for s in (one, other)]
            first, second = [a and (a.kind, a.effective_us, a.notice, a.explicit, a.expires_us) for a in acts]
            assert first == second
