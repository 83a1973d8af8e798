"""Refusals that outlive the person who made them: an opted-out person is not ALLOWED by being forgotten. Pure.

- Kept is what was refused for purposes that may be used until somebody refuses, where the law asks to keep it: by
  purpose, without what was said. For a purpose that needs consent nothing is kept: nobody is ALLOWED there unasked.
- A withdrawal of everything is kept whole, grants made later notwithstanding; and so is a universal signal.
- Kept refusals count as objections, of the day on which the erasure began: a finer time would lead back to the events
  that erasure has made nobody's. (An earlier day where a purpose could be refused only until then.)
- Whoever comes again under the same identifier starts with them, as events of their own; a newer grant wins, as always.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consentledger.regimes.model import Regimes
from consentledger.store.moment import Moment
from services.consent.domain.acts import Act, Kind
from services.consent.domain.catalogue import Basis, Catalogue, PurposeDef
from services.consent.domain.decision import DAY_US
from services.consent.domain.person import Collected, Person
from services.consent.domain.state import ALL, PersonState

HOW = Collected(method="kept-refusal")
"""How the acts that a person starts with were collected."""
_GPC = 1
_UNTIL_REFUSED = frozenset({Basis.OPT_OUT, Basis.LEGITIMATE_INTEREST})


@dataclass(frozen=True, slots=True)
class Refusals:
    """What is kept for one identifier."""

    purposes: tuple[str, ...]
    """Those refused, sorted; empty when everything is."""
    everything: bool
    signal: bool
    since_us: int

    @property
    def refused(self) -> tuple[str, ...]:
        """The purposes, or `("*",)`; empty when only a signal is kept."""
        return (ALL,) if self.everything else self.purposes

    def state(self) -> PersonState:
        """What stands for somebody of whom only this is known."""
        state = PersonState(signal_on=self.signal)
        for purpose in self.refused:
            state.merge(purpose, Act(Kind.OBJECT, self.since_us, self.since_us, 0, 0))
        return state

    def open(self, person: Person, at: Moment) -> None:
        """Let a person who is new start with it."""
        if self.refused:
            person.emit(Person.ObjectionRecorded, at, collected=HOW, occurred_us=self.since_us, purposes=self.purposes)
        if self.signal:
            person.emit(Person.SignalRecorded, at, collected=HOW, kind=_GPC, on=True)


def kept(catalogue: Catalogue, regimes: Regimes, states: Sequence[PersonState], started_us: int) -> Refusals | None:
    """What must be kept of these persons, who are linked, when their erasure begins; None: nothing."""
    everything = any(state.star is not None for state in states)
    refused = [p for p in catalogue.purposes.values() if _refused(p, states) and _must_keep(p, regimes)]
    signal = any(state.signal_on for state in states)
    if not (everything or refused or signal):
        return None
    bounds = [bound for purpose in refused for bound in purpose.asked_until_us.values()]
    since_us = min([started_us // DAY_US * DAY_US, *bounds])
    named = () if everything else tuple(sorted(purpose.id for purpose in refused))
    return Refusals(named, everything, signal, since_us)


def _refused(purpose: PurposeDef, states: Iterable[PersonState]) -> bool:
    acts = (state.standing(purpose.id) for state in states)
    return any(act is not None and act.protective for act in acts)


def _must_keep(purpose: PurposeDef, regimes: Regimes) -> bool:
    """Whether forgetting the refusal could allow the purpose under a law that asks to keep it."""
    refusable = {name for name, basis in purpose.bases.items() if basis in _UNTIL_REFUSED}
    return any(regimes.by_id[name].keep_opt_outs_after_erasure for name in refusable.union(purpose.asked_until_us))
