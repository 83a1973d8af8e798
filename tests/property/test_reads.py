"""Random histories with reads of everybody between the acts: nothing that is answered, refused or revoked differs."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given

from services.consent.domain import access
from services.consent.domain.access import AccessRecorded
from tests.property import commands as do
from tests.property.amount import examples
from tests.property.commands import History
from tests.property.histories import histories, knots
from tests.property.laws import REGIMES
from tests.property.play import Sides


def outcome(history: History, *, read: bool) -> tuple[list[Any], list[Any]]:
    """(what became of each command, what every check answers at the end)."""
    sides, steps = Sides(), []
    for command in history:
        if read:
            _read_everybody(sides)
        [step] = sides.play((command,))
        told = [(type(e), getattr(e, "revoked", getattr(e, "revokes", None))) for e in step.events]
        steps.append((step.refusal, told))
    answers = [
        (who, purpose, regime, sides.why(regime, who=who, purpose=purpose))
        for who in do.PEOPLE
        for purpose in sides.catalogue.purposes
        for regime in REGIMES
    ]
    return steps, answers


def _read_everybody(sides: Sides) -> None:
    """Of whom anything is known: nobody is in the log before their first act."""
    at = sides._moment(sides.clock + 1)
    everybody = [(person, ("events",)) for person in sides.people.values() if person.version > 1]
    access.record(everybody, at, method="GetSubjectHistory", purpose="audit", role="", personal=b"")
    events = sides._collect()
    assert [type(e) for e in events] == [AccessRecorded] * len(everybody)
    assert not any(e.revoked for e in events)
    sides.clock = max([sides.clock, *(e.recorded_us for e in events)])


@examples(40)
@given(histories())
def test_reads_change_nothing(history: History) -> None:
    assert outcome(history, read=True) == outcome(history, read=False)


@examples(40)
@given(knots())
def test_reads_change_nothing_for_people_linked_and_parted(history: History) -> None:
    assert outcome(history, read=True) == outcome(history, read=False)


def test_a_person_rebuilt_from_events_with_reads_is_the_same() -> None:
    sides = Sides()
    for _ in sides.play(_life()):
        _read_everybody(sides)
    for person in sides.people.values():
        again: Any = None
        for event in (e for e in sides.log if e.originator_id == person.id):
            again = event.mutate(again)
        assert again is not None and again.state == person.state and again.version == person.version


def _life() -> Iterator[do.Command]:
    yield do.Define("a", (("plain", "CONSENT"),))
    yield do.Publish("n")
    yield do.Record("p0", (do.Choose("a"),), gap=1)
    yield do.Link("p0", "p1", gap=1)
    yield do.Refuse("p1", ("a",), gap=1)
    yield do.Undo("p0", "p1", gap=1)
