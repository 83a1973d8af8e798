"""A change of a purpose that can turn an ALLOWED check into NOT_ALLOWED is marked; tried on every pair of forms."""

from itertools import product

import pytest

from tests.property import commands as do
from tests.property.play import Sides

BASES = (None, "CONSENT", "EXPLICIT_CONSENT", "OPT_OUT", "LEGITIMATE_INTEREST", "CONTRACT")
FORMS = tuple(product(BASES, (False, True), (False, True)))
"""(basis under `plain`, special category, kept by law)."""

_GRANT = (do.Choose("a"),)
_EXPLICIT = (do.Choose("a", explicit=True),)
PEOPLE: tuple[do.History, ...] = (
    (),
    (do.Record("p0", _GRANT),),
    (do.Record("p0", _EXPLICIT),),
    (do.Record("p0", _EXPLICIT), do.Signal("p0", on=True)),
    (do.Signal("p0", on=True),),
    (do.Record("p0", (do.Choose("a", grant=False),)),),
    (do.Record("p0", _EXPLICIT), do.Restrict("p0", on=True)),
)


def _form(basis: str | None, special: bool, kept: bool) -> do.Define:
    return do.Define("a", () if basis is None else (("plain", basis),), special=special, kept=kept)


def _allowed(sides: Sides) -> bool:
    return sides.verdict("p0", "a", ["plain"], sides.clock + 1).allowed


def falls_unmarked(person: do.History, old: do.Define, new: do.Define) -> bool:
    """Whether the change turns this person's check to NOT_ALLOWED and does not say so."""
    sides = Sides()
    # The act comes while a grant that is not explicit may still be recorded.
    before = (do.Define("a", (("plain", "CONSENT"),)), do.Publish("n"), do.Home("AA"), *person, old)
    assert all(step.refusal is None for step in sides.play(before))
    was = _allowed(sides)
    (step,) = sides.play((new,))
    return was and not _allowed(sides) and not step.events[0].revokes


@pytest.mark.parametrize("person", PEOPLE, ids=range(len(PEOPLE)))
def test_a_change_that_refuses_what_was_allowed_is_marked(person: do.History) -> None:
    changes = [(_form(*old), _form(*new)) for old, new in product(FORMS, FORMS)]
    assert [c for c in changes if falls_unmarked(person, *c)] == []
