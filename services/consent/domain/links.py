"""The commands that join and part persons. Pure.

- Each person keeps their own stream, key and state. The event is written to every member of the group, so that each
  stream alone says who its person is linked with.
- While linked, the more protective state of all members wins.
- What is personal about the act is kept only with the two that were named: theirs are the keys at hand.
- When parted, each takes over the protective acts that the others made while linked, and a signal or restriction that
  was set meanwhile and stands; grants stay where they were given.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from consentledger.errors import LedgerError, Reason, invalid
from consentledger.store.moment import Moment
from services.consent.domain.acts import Act, Kind
from services.consent.domain.group import Group, lowered
from services.consent.domain.person import Collected, Person
from services.consent.domain.state import PersonState

LIMIT = 16
"""The most persons in one group."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What a person takes over from those who part from them."""

    acts: tuple[tuple[str, int, int], ...]
    """(purpose or "*", kind, effective time)."""
    signal: bool
    restriction: bool


Pair: TypeAlias = tuple[bytes, bytes]


def _pair(left: Person, right: Person) -> Pair:
    one, other = left.id.bytes, right.id.bytes
    if one == other:
        raise invalid("right", "another identifier than left")
    return (one, other) if one < other else (other, one)


def link(left: Group, right: Group, at: Moment, *, collected: Collected, personal: bytes) -> None:
    """Join two persons and all that are linked with either. Nothing is emitted when they are joined already."""
    pair = _pair(left.person, right.person)
    if pair in left.person.state.pairs:
        return
    sides = [(g, [g.person, *g.others]) for g in (left, right)]
    everyone = {p.id.bytes: p for _, side in sides for p in side}
    if any(p.state.erasing for p in everyone.values()):
        raise LedgerError(Reason.ERASURE_IN_PROGRESS)
    if len(everyone) > LIMIT:
        raise LedgerError(Reason.LINK_LIMIT)
    pairs = left.person.state.pairs | right.person.state.pairs | {pair}
    after = [_living(p.state, collected.jurisdiction) for p in everyone.values()]
    purposes = left.all_purposes()
    revoked = {
        p.id.bytes: lowered(g, [q.state for q in side], after, purposes, at.recorded_us)
        for g, side in sides
        for p in side
    }
    for key, person in sorted(everyone.items()):
        person.emit(
            Person.LinksChanged,
            at,
            collected=collected,
            revoked=revoked[key],
            personal=personal if key in pair else b"",
            members=tuple(sorted(k for k in everyone if k != key)),
            pairs=tuple(sorted(pairs)),
            carried=(),
            carried_signal=False,
            carried_restriction=False,
            undone=False,
        )


def undo(group: Group, other: Person, at: Moment, *, collected: Collected, personal: bytes) -> None:
    """Part the group's person and another that they were linked with directly."""
    pair = _pair(group.person, other)
    if pair not in group.person.state.pairs:
        raise LedgerError(Reason.LINK_UNKNOWN)
    pairs = group.person.state.pairs - {pair}
    everyone = {p.id.bytes: p for p in (group.person, *group.others)}
    if any(p.state.erasing for p in everyone.values()):
        raise LedgerError(Reason.ERASURE_IN_PROGRESS)
    # Copies, since the events of the first part fold into these very states before the next part is compared.
    before = [p.state.copy() for p in everyone.values()]
    parts = _parts(sorted(everyone), pairs)
    carried = {k: _carried(everyone, k, [o for o in everyone if o not in part]) for part in parts for k in part}
    after = {k: _with(_living(everyone[k].state, collected.jurisdiction), carried[k], at) for k in everyone}
    for part in parts:
        revoked = lowered(group, before, [after[k] for k in part], group.all_purposes(), at.recorded_us)
        for key in part:
            everyone[key].emit(
                Person.LinksChanged,
                at,
                collected=collected,
                revoked=revoked,
                personal=personal if key in pair else b"",
                members=tuple(k for k in part if k != key),
                pairs=tuple(sorted(p for p in pairs if p[0] in part)),
                carried=carried[key].acts,
                carried_signal=carried[key].signal,
                carried_restriction=carried[key].restriction,
                undone=True,
            )


def _parts(keys: Sequence[bytes], pairs: frozenset[Pair]) -> list[list[bytes]]:
    """The groups that remain, each sorted."""
    part_of = {k: {k} for k in keys}
    for left, right in sorted(pairs):
        merged = part_of[left] | part_of[right]
        for key in merged:
            part_of[key] = merged
    return [sorted(p) for p in {id(p): p for p in part_of.values()}.values()]


def _carried(everyone: dict[bytes, Person], key: bytes, leaving: Sequence[bytes]) -> Carried:
    """What those leaving said to protect themselves while linked with this person; for each purpose the strongest."""
    strongest: dict[str, tuple[int, int]] = {}
    signal = restriction = False
    for state in (everyone[other].state for other in leaving):
        since = state.since[key]
        for purpose, act in state.protective_since(since):
            said = (act.effective_us, int(act.kind))
            strongest[purpose] = max(strongest.get(purpose, said), said)
        signal |= state.signal_on and state.signal_version > since
        restriction |= state.restricted and state.restricted_version > since
    acts = tuple(sorted((purpose, kind, effective_us) for purpose, (effective_us, kind) in strongest.items()))
    return Carried(acts, signal, restriction)


def _living(state: PersonState, jurisdiction: str) -> PersonState:
    after = state.copy()
    after.live_in(jurisdiction)
    return after


def _with(state: PersonState, carried: Carried, at: Moment) -> PersonState:
    after = replace(state, members=())
    for purpose, kind, effective_us in carried.acts:
        after.merge(purpose, Act(Kind(kind), effective_us, at.recorded_us, at.position + 1, 0))
    after.signal_on |= carried.signal
    after.restricted |= carried.restriction
    return after
