"""Linking people and parting them."""

from itertools import pairwise
from uuid import UUID

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.store.moment import Moment
from services.consent.domain import links
from services.consent.domain.catalogue import Catalogue, TenantDef
from services.consent.domain.group import Group
from services.consent.domain.person import Collected, Person
from tests.property import commands as do
from tests.property.laws import LAWS
from tests.property.play import played

BEGIN: do.History = (do.Define("a", (("plain", "CONSENT"), ("lenient", "OPT_OUT"))), do.Publish("n"), do.Home("AA"))
LINKED = do.Link("p0", "p1")


def _grant(who: str, told: int | None = None, gap: int = 0) -> do.Record:
    return do.Record(who, (do.Choose("a"),), told=told, age=1, gap=gap)


def test_one_who_said_nothing_does_not_count_against_one_who_granted() -> None:
    sides = played(*BEGIN, _grant("p0"), LINKED)
    assert (sides.why(who="p0"), sides.why(who="p1")) == ("GRANTED", "GRANTED")


def test_the_refusal_of_one_binds_all_whatever_the_times() -> None:
    sides = played(*BEGIN, do.Refuse("p1", ("a",)), LINKED, do.Link("p1", "p2"), _grant("p0", gap=5))
    assert {sides.why(who=who) for who in ("p0", "p1", "p2")} == {"WITHDRAWN"}


def test_a_signal_and_a_restriction_of_one_count_for_all() -> None:
    assert played(*BEGIN, LINKED, do.Signal("p1", on=True)).why("lenient") == "UNIVERSAL_SIGNAL"
    assert played(*BEGIN, LINKED, do.Restrict("p1", on=True)).why("lenient") == "RESTRICTED"


def test_a_link_names_what_it_revokes_for_the_side_that_loses_it() -> None:
    sides = played(*BEGIN, _grant("p0"), do.Refuse("p1", ("a",)), LINKED)
    assert [e.revoked for e in sides.log[-2:]] == [("a",), ()]


def test_linking_twice_records_nothing() -> None:
    sides = played(*BEGIN, LINKED)
    before = len(sides.log)
    assert sides.refusal(do.Link("p1", "p0")) is None
    assert len(sides.log) == before


def test_nobody_is_linked_with_themselves() -> None:
    assert played(*BEGIN).refusal(do.Link("p0", "p0")) == "INVALID_FIELD"


def test_only_a_link_that_was_made_can_be_undone() -> None:
    sides = played(*BEGIN, LINKED, do.Link("p1", "p2"))
    assert sides.refusal(do.Undo("p0", "p2")) == "LINK_UNKNOWN"


def test_undoing_one_link_of_a_ring_parts_nobody() -> None:
    ring = (LINKED, do.Link("p1", "p2"), do.Link("p2", "p0"))
    sides = played(*BEGIN, *ring, do.Refuse("p2", ("a",)), do.Undo("p0", "p1"))
    assert sides.why(who="p0") == "WITHDRAWN"
    assert len(sides.people["p0"].state.members) == 2


def test_protective_acts_made_while_linked_stand_for_both_after_parting() -> None:
    sides = played(*BEGIN, _grant("p1"), LINKED, do.Refuse("p0", ("a",), gap=1), do.Undo("p0", "p1"))
    assert (sides.why(who="p0"), sides.why(who="p1")) == ("WITHDRAWN", "WITHDRAWN")


def test_a_withdrawal_of_all_made_while_linked_covers_later_purposes_after_parting() -> None:
    sides = played(*BEGIN, LINKED, do.Refuse("p0"), do.Undo("p0", "p1"), do.Define("d", (("plain", "CONSENT"),)))
    assert sides.why(who="p1", purpose="d") == "WITHDRAWN"


def test_an_act_taken_over_keeps_its_time_so_a_newer_grant_stands() -> None:
    sides = played(*BEGIN, LINKED, do.Refuse("p0", ("a",)), _grant("p1", gap=1), do.Undo("p0", "p1"))
    assert (sides.why(who="p0"), sides.why(who="p1")) == ("WITHDRAWN", "GRANTED")


def test_acts_made_before_linking_and_grants_stay_where_they_were_made() -> None:
    sides = played(*BEGIN, do.Refuse("p0", ("a",)), LINKED, _grant("p0", gap=1), do.Undo("p0", "p1"))
    assert (sides.why(who="p0"), sides.why(who="p1")) == ("GRANTED", "NO_RECORD")


def test_an_act_taken_over_is_carried_no_further_to_one_who_came_later() -> None:
    sides = played(
        *BEGIN, LINKED, do.Refuse("p0", ("a",)), do.Link("p1", "p2"), do.Undo("p0", "p1"), do.Undo("p1", "p2")
    )
    assert (sides.why(who="p1"), sides.why(who="p2")) == ("WITHDRAWN", "NO_RECORD")


def test_parting_names_what_it_revokes_for_each_side() -> None:
    # At 1 to 5 o'clock: p2 grants, p0 refuses and grants, p1 refuses and grants; each side takes over one refusal.
    told = (
        _grant("p2", 1),
        do.Refuse("p0", ("a",), told=2),
        _grant("p0", 3),
        do.Refuse("p1", ("a",), told=4),
        _grant("p1", 5),
    )
    sides = played(*BEGIN, do.Link("p0", "p1", gap=10), do.Link("p1", "p2"), *told)
    assert sides.why() == "GRANTED"
    assert sides.refusal(do.Undo("p0", "p1")) is None
    assert [e.revoked for e in sides.log[-3:]] == [("a",)] * 3
    assert [sides.why(who=who) for who in ("p0", "p1", "p2")] == ["WITHDRAWN"] * 3


def _people(count: int) -> tuple[Catalogue, list[Person]]:
    catalogue = Catalogue.open(TenantDef("acme"), Moment(0, 1, 1))
    return catalogue, [Person.open(UUID(int=n), b"", Moment(n, n, 1)) for n in range(1, count + 1)]


def _link(catalogue: Catalogue, people: list[Person], left: Person, right: Person) -> None:
    by_key = {p.id.bytes: p for p in people}
    one, other = (Group(p, tuple(by_key[m] for m in p.state.members), catalogue, LAWS) for p in (left, right))
    links.link(one, other, Moment(100, 100, 1), collected=Collected(), personal=b"")


def test_sixteen_may_be_linked_and_no_more() -> None:
    catalogue, people = _people(links.LIMIT + 1)
    for left, right in pairwise(people[:-1]):
        _link(catalogue, people, left, right)
    assert len(people[0].state.members) == 15
    with pytest.raises(LedgerError) as refused:
        _link(catalogue, people, people[0], people[-1])
    assert refused.value.reason is Reason.LINK_LIMIT
    assert not people[-1].state.members


@pytest.mark.parametrize("erased", [0, 1])
def test_one_who_is_being_erased_is_neither_linked_nor_parted(erased: int) -> None:
    catalogue, people = _people(2)
    people[erased].state.erasing = True
    with pytest.raises(LedgerError) as refused:
        _link(catalogue, people, *people)
    assert refused.value.reason is Reason.ERASURE_IN_PROGRESS


def test_a_signal_set_while_linked_stands_for_both_after_parting() -> None:
    undone = do.Undo("p0", "p1")
    sides = played(*BEGIN, LINKED, do.Signal("p1", on=True), undone)
    assert (sides.why("lenient", who="p0"), sides.why("lenient", who="p1")) == ("UNIVERSAL_SIGNAL", "UNIVERSAL_SIGNAL")
    earlier = played(*BEGIN, do.Signal("p1", on=True), LINKED, undone)
    assert earlier.why("lenient", who="p0") == "NOT_OPTED_OUT"


def test_a_restriction_set_while_linked_stands_for_both_after_parting() -> None:
    sides = played(*BEGIN, LINKED, do.Restrict("p1", on=True), do.Undo("p0", "p1"))
    assert sides.why("lenient", who="p0") == "RESTRICTED"


@pytest.mark.parametrize("protection", [do.Signal, do.Restrict])
def test_what_one_takes_over_does_not_hide_what_they_said_themselves(
    protection: type[do.Signal] | type[do.Restrict],
) -> None:
    said = (protection("p0", on=True), do.Link("p1", "p2"), protection("p1", on=True))
    sides = played(*BEGIN, LINKED, *said, do.Undo("p0", "p1"), do.Undo("p1", "p2"))
    assert sides.why("lenient", who="p2") in ("UNIVERSAL_SIGNAL", "RESTRICTED")
