"""The end of a grant: by the clock at once, and as an event that names what it revokes, once."""

from tests.property import commands as do
from tests.property.play import Sides, played

BEGIN: do.History = (do.Define("a", (("plain", "CONSENT"),)), do.Publish("n"), do.Home("AA"))
END = do.Expire("p0", "a")


def _grant(who: str = "p0", end: int | None = 2, told: int | None = None) -> do.Record:
    return do.Record(who, (do.Choose("a", end=end),), told=told, age=1)


def _revoked_by(sides: Sides, command: do.Command) -> list[tuple[str, ...]]:
    (step,) = sides.play((command,))
    return [e.revoked for e in step.events]


def test_a_grant_ends_by_the_clock_before_any_event() -> None:
    sides = played(*BEGIN, _grant())
    assert (sides.why(hours=1), sides.why(hours=2)) == ("GRANTED", "EXPIRED")


def test_the_end_is_recorded_once_and_not_before_it_comes() -> None:
    sides = played(*BEGIN, _grant())
    found = [_revoked_by(sides, do.Expire("p0", "a", gap=gap)) for gap in (1, 2, 1)]
    assert found == [[], [("a",)], []]


def test_the_end_of_a_grant_that_no_longer_stands_is_not_recorded() -> None:
    sides = played(*BEGIN, _grant(), do.Refuse("p0", ("a",)))
    assert _revoked_by(sides, do.Expire("p0", "a", gap=5)) == []


def test_a_late_grant_that_ends_later_stands_after_the_end_of_an_older_one() -> None:
    sides = played(*BEGIN, _grant(end=2, told=0), do.Expire("p0", "a", gap=3), _grant(end=None, told=1))
    assert sides.why() == "GRANTED"


def test_a_grant_of_the_same_time_as_one_that_ended_has_ended() -> None:
    sides = played(*BEGIN, _grant(end=2, told=0), do.Expire("p0", "a", gap=3), _grant(end=None, told=0))
    assert sides.why() == "EXPIRED"


def test_a_withdrawal_between_an_end_and_its_record_names_the_purpose() -> None:
    sides = played(*BEGIN, _grant())
    assert _revoked_by(sides, do.Refuse("p0", ("a",), gap=5)) == [("a",)]


def test_a_link_between_an_end_and_its_record_names_the_purpose() -> None:
    sides = played(*BEGIN, _grant(), do.Refuse("p1", ("a",)))
    assert _revoked_by(sides, do.Link("p0", "p1", gap=5)) == [("a",), ()]


def test_two_ends_recorded_in_the_wrong_order_name_the_purpose() -> None:
    sides = played(*BEGIN, do.Link("p0", "p1"), _grant("p0", end=2), _grant("p1", end=4))
    found = [_revoked_by(sides, do.Expire(who, "a", gap=gap)) for who, gap in (("p1", 9), ("p0", 0))]
    assert found == [[("a",)], [()]]
