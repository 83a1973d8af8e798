"""Random histories: lists of commands, most of which are taken and some of which are refused.

- Few people, purposes and moments, so that acts meet: equal times, late arrival, the same purpose, the same group.
- Every history starts with a catalogue.
"""

from datetime import date

from hypothesis import strategies as st

from tests.property import commands as do
from tests.property.laws import PLACES, REGIMES

BASES = (
    "CONSENT",
    "CONSENT",
    "EXPLICIT_CONSENT",
    "OPT_OUT",
    "LEGITIMATE_INTEREST",
    "CONTRACT",
)

_DUE = [(w, p) for w in ("p0", "p1", "p2") for p in "ab"]
_people = st.sampled_from(("p0", "p0", "p0", "p1", "p1", "p1", "p2", "p2", "p3"))
_purposes = st.sampled_from((*"aaaaaaaabbbbbccc", do.LATER))
_places = st.sampled_from(("", "", "", *PLACES))
_gaps = st.sampled_from((0, 0, 1, 1, 1, 2, 7, 30))
_told = st.sampled_from((None,) * 12 + (0, 1, 2, 3, 4) * 3 + (5, 6, 8, 12, do.AHEAD, do.AHEAD, do.FUTURE))
_births = st.sampled_from(
    (None, *(date(y, m, d) for y, m, d in ((2008, 6, 30), (2010, 6, 20), (2012, 8, 3), (2013, 7, 1), (2020, 1, 9))))
)
_seldom = st.sampled_from((False,) * 7 + (True,))
_rarely = st.sampled_from((False,) * 15 + (True,))
_some_purposes = st.lists(st.sampled_from(do.PURPOSES), min_size=1, max_size=2, unique=True).map(tuple)
_pairs = st.sampled_from(
    (*(("p0", "p1"),) * 4, *(("p1", "p2"),) * 4, ("p2", "p0"), ("p1", "p0"), ("p2", "p3"), ("p3", "p0"), ("p0", "p0"))
)


def _defines(purposes: st.SearchStrategy[str]) -> st.SearchStrategy[do.Define]:
    bases = st.fixed_dictionaries(
        {r: st.sampled_from(BASES) for r in ("plain", "lapsing")},
        optional={r: st.sampled_from(BASES) for r in REGIMES if r not in ("plain", "lapsing")},
    )
    return st.builds(
        do.Define,
        purposes,
        bases.map(lambda b: tuple(sorted(b.items()))),
        special=_seldom,
        children=_rarely,
        sectors=st.sampled_from(((), (), (), ("sector",))),
        kept=_seldom,
        gap=_gaps,
    )


_choices = st.lists(
    st.builds(
        do.Choose,
        _purposes,
        grant=st.sampled_from((True, True, True, False)),
        explicit=st.sampled_from((True, True, False)),
        end=st.sampled_from((None,) * 10 + (1, 2, 3, 4, 10, 40, -1)),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda c: c.purpose,
).map(tuple)
_records = st.builds(
    do.Record,
    _people,
    _choices,
    notice=st.sampled_from((*("n1", "n2") * 8, "m1", "m1", "n3", "x9", "")),
    told=_told,
    place=_places,
    age=st.sampled_from((1,) * 12 + (0, 2)),
    guardian=_seldom,
    birth=_births,
    imported=_seldom,
    gap=_gaps,
)
_refusals = st.builds(
    do.Refuse,
    _people,
    st.one_of(_some_purposes, _some_purposes, st.just(())),
    objection=_seldom,
    told=_told,
    place=_places,
    gap=_gaps,
)
_sweeps = st.builds(
    lambda back, gap: tuple(
        do.Expire(w, p, gap if not n else 0) for n, (w, p) in enumerate(_DUE[::-1] if back else _DUE)
    ),
    st.booleans(),
    _gaps,
)
_links = st.builds(lambda pair, place, gap: do.Link(pair[0], pair[1], place, gap), _pairs, _places, _gaps)
_undos = st.builds(lambda pair, gap: do.Undo(pair[0], pair[1], gap), _pairs, _gaps)
_signals = st.builds(do.Signal, _people, st.booleans(), _places, gap=_gaps)
_restrictions = st.builds(do.Restrict, _people, _seldom, gap=_gaps)
_notices = st.builds(
    do.Publish, st.sampled_from("nnm"), st.booleans(), st.one_of(_some_purposes, st.just(())), gap=_gaps
)
_retirements = st.builds(do.Retire, st.sampled_from("cccab"), gap=_gaps)
_homes = st.builds(do.Home, _places, gap=_gaps)

_WEIGHTS: tuple[tuple[st.SearchStrategy[do.Command], int], ...] = (
    (_records, 24),
    (_refusals, 8),
    (_links, 6),
    (_undos, 6),
    (_signals, 2),
    (_restrictions, 2),
    (_defines(_purposes), 3),
    (_notices, 4),
    (_homes, 1),
    (_retirements, 1),
)
_one = st.sampled_from([s for s, weight in _WEIGHTS for _ in range(weight)]).flatmap(lambda s: s)
_alone: st.SearchStrategy[do.History] = _one.map(lambda command: (command,))
_commands = st.sampled_from([*[_alone] * 9, _sweeps]).flatmap(lambda s: s)
_defined = st.tuples(*(_defines(st.just(p)) for p in do.PURPOSES))


def _catalogue(defined: tuple[do.Define, ...], home: str) -> do.History:
    return (*defined, do.Publish("n"), do.Publish("n"), do.Publish("m"), do.Home(home))


_catalogues = st.builds(_catalogue, _defined, _places)
_hours = st.integers(0, 9)
_all_three = ("p0", "p1", "p2")


def _grant(who: str, told: int) -> do.Command:
    return do.Record(who, (do.Choose("a", explicit=True),), told=told, age=1)


def _back_and_forth(hours: list[int]) -> do.History:
    """A refusal and a grant of each, at any times."""
    refusals = (do.Refuse(who, ("a",), told=told) for who, told in zip(_all_three, hours[:3], strict=True))
    return (*refusals, *(_grant(who, told) for who, told in zip(_all_three, hours[3:], strict=True)))


_about_one: st.SearchStrategy[do.Command] = st.one_of(
    st.builds(_grant, st.sampled_from(_all_three), _hours),
    st.builds(lambda w, told: do.Refuse(w, (), told=told), st.sampled_from(_all_three), _hours),
    st.builds(lambda p: do.Link(*p), _pairs),
    st.builds(lambda p: do.Undo(*p), _pairs),
)


def knots() -> st.SearchStrategy[do.History]:
    """Three people linked, who say much about one purpose at told times, and are parted: where most can go wrong."""
    start = (*(do.Define(p, (("plain", "CONSENT"),)) for p in do.PURPOSES), do.Publish("n", gap=10))
    linked = (do.Link("p0", "p1"), do.Link("p1", "p2"))
    hours = st.lists(_hours, min_size=6, max_size=6)
    return st.builds(
        lambda before, hours, after, last: (*start, *before, *linked, *_back_and_forth(hours), *after, last),
        st.lists(_about_one, max_size=3),
        hours,
        st.lists(_about_one, max_size=5),
        st.sampled_from((do.Undo("p0", "p1"), do.Undo("p1", "p2"))),
    )


def histories(stretches: int = 6) -> st.SearchStrategy[do.History]:
    """A catalogue, and about five commands a stretch on it; stretches, so that long histories are common and shrink."""
    commands = st.tuples(*[st.lists(_commands, max_size=10)] * stretches)
    return st.tuples(_catalogues, commands).map(
        lambda h: (*h[0], *(c for stretch in h[1] for some in stretch for c in some))
    )
