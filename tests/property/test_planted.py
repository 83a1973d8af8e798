"""The properties are able to fail: each planted bug is found by the claim that it breaks, on the same histories."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import Phase, find, settings
from hypothesis import strategies as st

from services.consent.domain import acts, catalogue, consent, decision, group, links, person, state
from services.consent.domain.acts import Act, Kind
from tests.property import claims, test_arrival
from tests.property.amount import examples
from tests.property.histories import histories, knots

AT_MOST = 1_500
"""Examples in which a planted bug must be found."""

Patch = pytest.MonkeyPatch


def _the_last_to_arrive_wins(patch: Patch) -> None:
    patch.setattr(state, "stronger", lambda one, other: other or one)


def _ties_go_to_the_grant(patch: Patch) -> None:
    right = acts.stronger

    def wrong(one: Act | None, other: Act | None) -> Act | None:
        if one and other and one.effective_us == other.effective_us and one.kind is not other.kind:
            return min(one, other, key=lambda a: a.kind)
        return right(one, other)

    patch.setattr(state, "stronger", wrong)


def _tied_grants_keep_the_later_end(patch: Patch) -> None:
    right = acts.stronger

    def wrong(one: Act | None, other: Act | None) -> Act | None:
        stands = right(one, other)
        tie = one and other and one.effective_us == other.effective_us
        return other if tie and stands and stands.kind is Kind.GRANT else stands

    patch.setattr(state, "stronger", wrong)


def _told_times_are_believed(patch: Patch) -> None:
    def wrong(kind: Kind, occurred_us: int | None, recorded_us: int) -> int:
        return recorded_us if occurred_us is None else occurred_us

    for module in (person, consent):
        patch.setattr(module, "effective_time", wrong)


def _a_grant_outweighs_the_refusal_of_one_linked(patch: Patch) -> None:
    right = decision._opt_in

    def wrong(purpose: Any, basis: Any, regime: Any, found: Sequence[Act], *rest: Any) -> Any:
        grants = [a for a in found if a.kind is Kind.GRANT]
        return right(purpose, basis, regime, grants or found, *rest)

    patch.setattr(decision, "_opt_in", wrong)


def _the_group_is_forgotten(patch: Patch) -> None:
    right = decision.combined
    patch.setattr(group, "combined", lambda persons, *rest: right([*persons][:1], *rest))


def _nothing_is_carried(patch: Patch) -> None:
    patch.setattr(links, "_carried", lambda *_: links.Carried((), False, False))


def _a_change_of_basis_lifts_refusals(patch: Patch) -> None:
    patch.setattr(catalogue, "_asked_until", lambda *_: {})


def _new_places_displace_nothing(patch: Patch) -> None:
    patch.setattr(group, "_displaced", lambda *_: set())


def _everything_ever_said_is_carried(patch: Patch) -> None:
    patch.setattr(state.PersonState, "protective_since", lambda self, _: ((p, a) for _, p, a in self.protective))


def _later_purposes_are_not_covered(patch: Patch) -> None:
    patch.setattr(state.PersonState, "standing", lambda self, purpose: self.acts.get(purpose))


def _material_notices_change_nothing(patch: Patch) -> None:
    patch.setattr(catalogue.Catalogue, "stale", lambda self, notice, _: notice not in self.notices)


def _grants_never_end(patch: Patch) -> None:
    right = consent._end_of_grant

    def wrong(*arguments: Any) -> None:
        right(*arguments)

    patch.setattr(consent, "_end_of_grant", wrong)


def _an_opt_out_basis_asks_nobody(patch: Patch) -> None:
    patch.setattr(decision, "_NEEDS_NO_REFUSAL", frozenset())


def _revocations_regard_one_person_only(patch: Patch) -> None:
    def wrong(self: group.Group, after: state.PersonState, purposes: Any, now_us: int) -> tuple[str, ...]:
        return group.lowered(self, [self.person.state], [after], purposes, now_us)

    patch.setattr(group.Group, "lowered", wrong)


def _ends_not_recorded_hide_what_follows(patch: Patch) -> None:
    patch.setattr(group, "BEFORE_ANY_END_US", 2**62)


def _revocations_are_forgotten_at_parting(patch: Patch) -> None:
    right = group.lowered

    def wrong(where: Any, before: Any, after: Any, *rest: Any) -> tuple[str, ...]:
        return right(where, before, after, *rest) if len(after) >= len(before) else ()

    patch.setattr(links, "lowered", wrong)


def _everything_is_called_revoked(patch: Patch) -> None:
    patch.setattr(group.Group, "lowered", lambda self, after, purposes, now_us: tuple(purposes))


def _stricter_bases_are_not_marked(patch: Patch) -> None:
    patch.setattr(catalogue, "_asks_more", lambda old, new: False)


def _choices_are_taken_one_by_one(patch: Patch) -> None:
    right = consent.record

    def wrong(where: Any, at: Any, choices: Sequence[Any], **rest: Any) -> list[Any]:
        return [s for choice in choices for s in right(where, at, [choice], **rest)]

    patch.setattr(consent, "record", wrong)


def _state_is_kept_beside_the_events(patch: Patch) -> None:
    def wrong(where: group.Group, *_: Any, on: bool, **__: Any) -> None:
        where.person.state.signal_on = on

    patch.setattr(consent, "signal", wrong)


Plant = tuple[Callable[[Patch], None], st.SearchStrategy[Any], Callable[[Any], None]]
PLANTS: tuple[Plant, ...] = (
    (_the_last_to_arrive_wins, histories(), claims.agrees),
    (_the_last_to_arrive_wins, test_arrival.ties, lambda both: test_arrival.check_any_order(*both)),
    (_ties_go_to_the_grant, test_arrival.ties, lambda both: test_arrival.check_any_order(*both)),
    (_tied_grants_keep_the_later_end, test_arrival.ties, lambda both: test_arrival.check_any_order(*both)),
    (_told_times_are_believed, histories(), claims.agrees),
    (_a_grant_outweighs_the_refusal_of_one_linked, knots(), claims.agrees),
    (_the_group_is_forgotten, knots(), claims.agrees),
    (_nothing_is_carried, knots(), claims.agrees),
    (_a_change_of_basis_lifts_refusals, histories(), claims.agrees),
    (_new_places_displace_nothing, histories(), claims.revocations_are_named),
    (_everything_ever_said_is_carried, knots(), claims.agrees),
    (_later_purposes_are_not_covered, histories(), claims.agrees),
    (_later_purposes_are_not_covered, histories(), claims.refusals_stand),
    (_material_notices_change_nothing, histories(), claims.agrees),
    (_grants_never_end, histories(), claims.agrees),
    (_an_opt_out_basis_asks_nobody, histories(), claims.refusals_stand),
    (_revocations_regard_one_person_only, histories(), claims.revocations_are_named),
    (_ends_not_recorded_hide_what_follows, histories(), claims.revocations_are_named),
    (_revocations_are_forgotten_at_parting, knots(), claims.revocations_are_named),
    (_everything_is_called_revoked, histories(), claims.revocations_are_named),
    (_stricter_bases_are_not_marked, histories(), claims.revocations_are_named),
    (_choices_are_taken_one_by_one, histories(), claims.refusals_change_nothing),
    (_state_is_kept_beside_the_events, histories(), claims.replays),
)


@pytest.mark.parametrize("plant", PLANTS, ids=[f"{p[0].__name__[1:]}-{n}" for n, p in enumerate(PLANTS)])
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: Patch) -> None:
    bug, strategy, claim = plant
    bug(monkeypatch)

    def broken(history: Any) -> bool:
        try:
            claim(history)
        except AssertionError:
            return True
        return False

    find(strategy, broken, settings=settings(examples(AT_MOST), max_examples=AT_MOST, phases=[Phase.generate]))
