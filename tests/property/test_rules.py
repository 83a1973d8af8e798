"""Random histories: the domain against the naive model. See `claims` for what each one says."""

from hypothesis import given

from tests.property import claims
from tests.property.amount import examples
from tests.property.commands import History
from tests.property.histories import histories, knots


@examples(50)
@given(histories())
def test_domain_and_model_give_the_same_answers(history: History) -> None:
    claims.agrees(history)


@examples(60)
@given(knots())
def test_domain_and_model_agree_on_people_linked_and_parted(history: History) -> None:
    claims.agrees(history)


@examples(40)
@given(histories())
def test_events_alone_rebuild_every_state(history: History) -> None:
    claims.replays(history)


@examples(40)
@given(histories())
def test_a_refused_command_changes_nothing(history: History) -> None:
    claims.refusals_change_nothing(history)


@examples(60)
@given(histories())
def test_every_revocation_is_named_by_an_event_and_nothing_else_is(history: History) -> None:
    claims.revocations_are_named(history)


@examples(300)
@given(knots())
def test_parting_names_what_it_revokes_for_each_side(history: History) -> None:
    claims.revocations_are_named(history)


@examples(50)
@given(histories())
def test_a_refusal_stands_until_a_newer_grant_whatever_becomes_of_the_basis(history: History) -> None:
    claims.refusals_stand(history)
