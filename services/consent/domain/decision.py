"""May this purpose use this person's data? A pure function of (purpose, what stands, regimes, time).

- Several regimes may apply: the most protective answer wins. Several persons may be linked: likewise.
- A person with no act about the purpose does not count against a linked one who has.
- Nothing here answers ALLOWED by default: every path to ALLOWED is one of the three at the end of `_under`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from consentledger.regimes.model import Regime
from services.consent.domain.acts import Act, Kind
from services.consent.domain.catalogue import Basis, PurposeDef
from services.consent.domain.state import PersonState

DAY_US = 86_400_000_000


class State(IntEnum):
    """What stands; numbers are those of `ConsentState` in the protos."""

    UNKNOWN = 1
    GRANTED = 2
    DENIED = 3
    WITHDRAWN = 4
    EXPIRED = 5
    OBJECTED = 6
    STALE = 7


class Why(IntEnum):
    """Why; numbers are those of `DecisionReason` in the protos."""

    GRANTED = 1
    NOT_OPTED_OUT = 2
    CONSENT_NOT_NEEDED = 3
    NO_RECORD = 4
    DENIED = 5
    WITHDRAWN = 6
    OBJECTED = 7
    EXPIRED = 8
    NOTICE_STALE = 9
    NOT_EXPLICIT = 10
    UNIVERSAL_SIGNAL = 11
    RESTRICTED = 12
    ERASURE_IN_PROGRESS = 13
    PURPOSE_RETIRED = 14
    NO_LEGAL_BASIS = 15


_REFUSED = {
    Kind.DENY: (State.DENIED, Why.DENIED),
    Kind.WITHDRAW: (State.WITHDRAWN, Why.WITHDRAWN),
    Kind.OBJECT: (State.OBJECTED, Why.OBJECTED),
}
_PROTECTION = {
    s: i
    for i, s in enumerate(
        (State.UNKNOWN, State.GRANTED, State.STALE, State.EXPIRED, State.DENIED, State.WITHDRAWN, State.OBJECTED)
    )
}
_FIRST = (
    Why.ERASURE_IN_PROGRESS,
    Why.PURPOSE_RETIRED,
    Why.RESTRICTED,
    Why.OBJECTED,
    Why.WITHDRAWN,
    Why.DENIED,
    Why.UNIVERSAL_SIGNAL,
    Why.EXPIRED,
    Why.NOTICE_STALE,
    Why.NOT_EXPLICIT,
    Why.NO_RECORD,
    Why.NO_LEGAL_BASIS,
    Why.GRANTED,
    Why.NOT_OPTED_OUT,
    Why.CONSENT_NOT_NEEDED,
)
_ORDER = {why: i for i, why in enumerate(_FIRST)}
_NEEDS_CONSENT = frozenset({Basis.CONSENT, Basis.EXPLICIT_CONSENT})
_NEEDS_NO_REFUSAL = frozenset({Basis.OPT_OUT, Basis.LEGITIMATE_INTEREST})

Stale = Callable[[str, str], bool]
"""(notice version, purpose) -> whether a grant under it no longer counts."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer. `basis` is None only for NO_LEGAL_BASIS and a retired purpose."""

    allowed: bool
    why: Why
    state: State
    basis: Basis | None
    regime: str
    position: int
    valid_until_us: int | None


def state_of(act: Act | None, purpose: str, stale: Stale, now_us: int) -> State:
    """What one person's standing act amounts to at a moment."""
    if act is None:
        return State.UNKNOWN
    if act.kind is not Kind.GRANT:
        return _REFUSED[act.kind][0]
    if act.expired or (act.expires_us is not None and act.expires_us <= now_us):
        return State.EXPIRED
    return State.STALE if stale(act.notice, purpose) else State.GRANTED


def combined(persons: Iterable[PersonState], purpose: str, stale: Stale, now_us: int) -> tuple[State, Act | None]:
    """What stands over all persons linked: the more protective state, and the act behind it."""
    best: tuple[State, Act | None] = (State.UNKNOWN, None)
    for person in persons:
        act = person.standing(purpose)
        state = state_of(act, purpose, stale, now_us)
        if _PROTECTION[state] > _PROTECTION[best[0]]:
            best = (state, act)
    return best


def decide(
    purpose: PurposeDef, persons: Sequence[PersonState], regimes: Sequence[Regime], stale: Stale, now_us: int
) -> Verdict:
    """The answer for one purpose under every regime that applies. `regimes` must not be empty."""
    state, act = combined(persons, purpose.id, stale, now_us)
    acts = [a for p in persons if (a := p.standing(purpose.id)) is not None]
    worst: Verdict | None = None
    for regime in regimes:
        basis = purpose.bases.get(regime.id)
        allowed, why, position, until = _under(purpose, basis, regime, persons, acts, stale, now_us)
        if worst is None or _ORDER[why] < _ORDER[worst.why] or (why is worst.why and _sooner(until, worst)):
            if not position and act is not None:
                position = act.position
            worst = Verdict(allowed, why, state, basis, regime.id, position, until)
    if worst is None:
        raise ValueError("a decision needs at least one regime")
    return worst


def _sooner(until: int | None, other: Verdict) -> bool:
    return until is not None and (other.valid_until_us is None or until < other.valid_until_us)


def _under(
    purpose: PurposeDef,
    basis: Basis | None,
    regime: Regime,
    persons: Sequence[PersonState],
    acts: Sequence[Act],
    stale: Stale,
    now_us: int,
) -> tuple[bool, Why, int, int | None]:
    """(allowed, why, position of the evidence or 0, valid until) under one regime."""
    if purpose.retired:
        return False, Why.PURPOSE_RETIRED, 0, None
    signal: int | None = None
    for person in persons:
        if person.erasing and not purpose.kept_by_law:
            return False, Why.ERASURE_IN_PROGRESS, 0, None
        if person.restricted and not purpose.kept_by_law:
            return False, Why.RESTRICTED, person.restricted_position, None
        if person.signal_on:
            signal = person.signal_position
    if basis is None:
        return False, Why.NO_LEGAL_BASIS, 0, None
    if basis in _NEEDS_CONSENT:
        return _opt_in(purpose, basis, regime, acts, stale, now_us)
    if basis in _NEEDS_NO_REFUSAL:
        for act in sorted(acts, key=_by_kind, reverse=True):
            if act.kind is not Kind.GRANT:
                return False, _REFUSED[act.kind][1], act.position, None
        if signal is not None:
            return False, Why.UNIVERSAL_SIGNAL, signal, None
        return True, Why.NOT_OPTED_OUT, 0, None
    asked_until_us = purpose.asked_until_us.get(regime.id, 0)
    for act in sorted(acts, key=_by_kind, reverse=True):
        if act.kind is not Kind.GRANT and (act.first_refused_us or 0) <= asked_until_us:
            # A change of basis never lifts a refusal, nor does saying it again afterwards.
            return False, _REFUSED[act.kind][1], act.position, None
    return True, Why.CONSENT_NOT_NEEDED, 0, None


def _by_kind(act: Act) -> Kind:
    return act.kind


def _opt_in(
    purpose: PurposeDef, basis: Basis, regime: Regime, acts: Sequence[Act], stale: Stale, now_us: int
) -> tuple[bool, Why, int, int | None]:
    if not acts:
        return False, Why.NO_RECORD, 0, None
    explicit = basis is Basis.EXPLICIT_CONSENT or (purpose.special_category and regime.explicit_for_special_category)
    refusals: list[tuple[int, Why, int]] = []
    until: int | None = None
    for act in acts:
        why = Why.GRANTED
        end = act.expires_us
        if act.kind is not Kind.GRANT:
            why = _REFUSED[act.kind][1]
        else:
            if regime.grant_validity_days is not None:
                lapse = act.effective_us + regime.grant_validity_days * DAY_US
                end = lapse if end is None else min(end, lapse)
            if act.expired or (end is not None and end <= now_us):
                why = Why.EXPIRED
            elif not regime.stale_notice_tolerated and stale(act.notice, purpose.id):
                why = Why.NOTICE_STALE
            elif explicit and not act.explicit:
                why = Why.NOT_EXPLICIT
            elif end is not None and (until is None or end < until):
                until = end
        if why is not Why.GRANTED:
            refusals.append((_ORDER[why], why, act.position))
    if refusals:
        _, why, position = min(refusals)
        return False, why, position, None
    return True, Why.GRANTED, acts[0].position, until
