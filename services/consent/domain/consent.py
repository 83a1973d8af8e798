"""The commands about consent. Pure: each checks its rules first, then emits events; a refusal emits none.

- A grant needs a published notice, an explicit act where the regime asks for one, a guardian where a child acts.
- A withdrawal, an objection and a denial need nothing of all that.
- While an erasure runs, recording is refused, and a withdrawal is acknowledged and changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from consentledger.errors import LedgerError, Reason, invalid
from consentledger.regimes.model import Regime
from consentledger.store.moment import Moment
from services.consent.domain.acts import Act, Kind, effective_time
from services.consent.domain.catalogue import PurposeDef, covers
from services.consent.domain.decision import DAY_US
from services.consent.domain.group import Group, Standing, check_told_time, only_grants_more, regimes_for
from services.consent.domain.person import Collected, Person
from services.consent.domain.state import ALL, PersonState

ADULT, MINOR = 1, 2
"""Age bands; numbers are those of `AgeBand` in the protos."""


@dataclass(frozen=True, slots=True)
class ChoiceDef:
    """What a person said about one purpose."""

    purpose: str
    grant: bool
    explicit: bool = False
    expires_us: int | None = None


def record(
    group: Group,
    at: Moment,
    choices: Sequence[ChoiceDef],
    *,
    notice: str,
    occurred_us: int | None,
    collected: Collected,
    personal: bytes,
    child_birth: date | None,
) -> list[Standing]:
    """Record choices, all or none. Returns what stands for each purpose, in the order of the choices."""
    state = group.person.state
    if state.erasing:
        raise LedgerError(Reason.ERASURE_IN_PROGRESS)
    now_us = at.recorded_us
    check_told_time(occurred_us, now_us)
    told = ""
    if notice not in group.catalogue.notices and any(c.grant for c in choices):
        if not collected.imported:
            raise LedgerError(Reason.NOTICE_UNKNOWN if notice else Reason.NOTICE_REQUIRED)
        told, notice = notice, ""
    ends = [_end_of_grant(group, choice, now_us, occurred_us, collected, child_birth) for choice in choices]
    told_of = group.catalogue.notices.get(notice)
    if (
        told_of is not None
        and not collected.imported
        and not all(covers(told_of, c.purpose) for c in choices if c.grant)
    ):
        raise invalid("notice_version", "a notice that speaks of the purpose")
    acts = []
    after = group.after(collected.jurisdiction)
    for choice, end in zip(choices, ends, strict=True):
        kind = Kind.GRANT if choice.grant else Kind.DENY
        effective_us = effective_time(kind, occurred_us, now_us)
        acts.append(Act(kind, effective_us, now_us, at.position + 1, 0, notice, choice.explicit, end))
        after.put(choice.purpose, acts[-1])
    # Compared with all choices taken: a new place may touch every purpose, also one that a later choice grants.
    revoked = [
        () if only_grants_more(group, purpose, act, after) else group.lowered(after, (purpose,), now_us)
        for purpose, act in ((choice.purpose, act) for choice, act in zip(choices, acts, strict=True))
    ]
    made = {}
    for choice, end, lower in zip(choices, ends, revoked, strict=True):
        group.person.emit(
            Person.ConsentRecorded,
            at,
            collected=collected,
            occurred_us=occurred_us,
            revoked=lower,
            personal=personal,
            purpose=choice.purpose,
            grant=choice.grant,
            notice=notice if choice.grant or notice in group.catalogue.notices else "",
            told_notice=told if choice.grant else "",
            explicit=choice.explicit,
            expires_us=end,
        )
        made[choice.purpose] = at.position
    return _answer(group, [c.purpose for c in choices], made, at.recorded_us)


def withdraw(
    group: Group,
    at: Moment,
    purposes: Sequence[str],
    *,
    occurred_us: int | None,
    collected: Collected,
    personal: bytes,
    objection: bool = False,
) -> list[Standing]:
    """Withdraw (or object to) the purposes named, or all. Returns what stands for them."""
    if not group.person.state.erasing:
        _refuse(group, at, purposes, occurred_us, collected, personal, objection)
    named = purposes or group.all_purposes()
    position = at.position if group.person.pending_events else 0
    return _answer(group, named, dict.fromkeys(named, position), at.recorded_us)


def _refuse(
    group: Group,
    at: Moment,
    purposes: Sequence[str],
    occurred_us: int | None,
    collected: Collected,
    personal: bytes,
    objection: bool,
) -> None:
    now_us = at.recorded_us
    check_told_time(occurred_us, now_us)
    kind = Kind.OBJECT if objection else Kind.WITHDRAW
    act = Act(kind, effective_time(kind, occurred_us, now_us), now_us, at.position + 1, 0)
    after = group.after(collected.jurisdiction)
    for purpose in purposes or (ALL,):
        if purpose != ALL:
            group.catalogue.purpose(purpose)
        after.put(purpose, act)
    group.person.emit(
        Person.ObjectionRecorded if objection else Person.ConsentWithdrawn,
        at,
        collected=collected,
        occurred_us=occurred_us,
        revoked=group.lowered(after, purposes or group.all_purposes(), now_us),
        personal=personal,
        purposes=tuple(purposes),
    )


def signal(group: Group, at: Moment, *, kind: int, on: bool, collected: Collected, personal: bytes) -> None:
    """Record that a universal opt-out signal stands, or no longer does. A signal that changes nothing emits nothing."""
    state = group.person.state
    if state.erasing or state.signal_on == on:
        return
    after = replace(group.after(collected.jurisdiction), signal_on=on, signal_position=at.position + 1)
    group.person.emit(
        Person.SignalRecorded,
        at,
        collected=collected,
        revoked=_all_lowered(group, after, at),
        personal=personal,
        kind=kind,
        on=on,
    )


def restrict(group: Group, at: Moment, *, restricted: bool, collected: Collected, personal: bytes) -> None:
    """Restrict processing, or lift the restriction. Nothing is emitted when nothing changes."""
    state = group.person.state
    if state.erasing:
        raise LedgerError(Reason.ERASURE_IN_PROGRESS)
    if state.restricted == restricted:
        return
    after = replace(group.after(collected.jurisdiction), restricted=restricted)
    group.person.emit(
        Person.RestrictionChanged,
        at,
        collected=collected,
        revoked=_all_lowered(group, after, at),
        personal=personal,
        restricted=restricted,
    )


def expire(group: Group, at: Moment, purpose: str, grant_version: int) -> bool:
    """Record the end of a grant that stands and whose time is over. False when there is none such."""
    state = group.person.state
    act = state.acts.get(purpose)
    if act is None or act.kind is not Kind.GRANT or act.version != grant_version or act.expired:
        return False
    if act.expires_us is None or act.expires_us > at.recorded_us or state.erasing:
        return False
    after = state.copy()
    after.expire(purpose, grant_version)
    revoked = group.lowered(after, (purpose,), at.recorded_us)
    group.person.emit(
        Person.ConsentExpired, at, collected=Collected(), revoked=revoked, purpose=purpose, grant_version=grant_version
    )
    return True


def _all_lowered(group: Group, after: PersonState, at: Moment) -> tuple[str, ...]:
    return group.lowered(after, group.all_purposes(), at.recorded_us)


def _answer(group: Group, purposes: Sequence[str], made: dict[str, int], now_us: int) -> list[Standing]:
    """What stands; superseded when the act just made is not the person's own standing one."""
    own = group.person.state.standing
    return [
        Standing(s.purpose, s.state, s.act, made.get(s.purpose, 0) > 0 and _position(own(s.purpose)) != made[s.purpose])
        for s in group.standing(purposes, now_us)
    ]


def _position(act: Act | None) -> int:
    return act.position if act is not None else 0


def _end_of_grant(
    group: Group,
    choice: ChoiceDef,
    now_us: int,
    occurred_us: int | None,
    collected: Collected,
    child_birth: date | None,
) -> int | None:
    """Check one choice; for a grant, when it ends: what was asked, the regime's validity, the child's age."""
    purpose = group.catalogue.purpose(choice.purpose)
    if not choice.grant:
        return None
    if purpose.retired:
        raise LedgerError(Reason.PURPOSE_RETIRED)
    if choice.expires_us is not None and choice.expires_us <= now_us and not collected.imported:
        raise invalid("choices.expires_at", "in the future")
    regimes = _regimes(group, purpose, collected)
    if purpose.special_category and not choice.explicit and any(r.explicit_for_special_category for r in regimes):
        raise LedgerError(Reason.EXPLICIT_REQUIRED, purpose=purpose.id)
    ends = [] if choice.expires_us is None else [choice.expires_us]
    start_us = effective_time(Kind.GRANT, occurred_us, now_us)
    ends += [start_us + r.grant_validity_days * DAY_US for r in regimes if r.grant_validity_days is not None]
    if collected.guardian_method:
        if child_birth is None:
            raise invalid("context.guardian.child_birth_date", "YYYY-MM-DD")
        come_of_age = _come_of_age_us(child_birth, _age_of_consent(group, regimes, collected))
        if come_of_age <= now_us and not collected.imported:
            raise invalid("context.guardian.child_birth_date", "below the age of consent")
        ends.append(come_of_age)
    elif collected.age_band == MINOR or (purpose.directed_at_children and collected.age_band != ADULT):
        raise LedgerError(Reason.GUARDIAN_REQUIRED, purpose=purpose.id)
    return min(ends) if ends else None


def _places(group: Group, collected: Collected) -> set[str]:
    """Where the person is: as told with this act, and as recorded with any identifier linked."""
    return {collected.jurisdiction, *(place for s in group.states() for place in s.jurisdictions)} - {""}


def _regimes(group: Group, purpose: PurposeDef, collected: Collected) -> tuple[Regime, ...]:
    """Those that apply to this person; when no place is known at all, every one that the purpose has a basis for."""
    try:
        return regimes_for(group.regimes, group.catalogue, purpose, _places(group, collected))
    except LedgerError as error:
        if error.reason is not Reason.JURISDICTION_REQUIRED or not purpose.bases:
            raise
        return tuple(group.regimes.by_id[r] for r in purpose.bases)


def _age_of_consent(group: Group, regimes: Sequence[Regime], collected: Collected) -> int:
    """The smallest that any of the regimes sets, at any place by which it applies."""
    places, default = _places(group, collected), group.catalogue.tenant.default_jurisdiction
    ages = []
    for regime in regimes:
        here = [place for place in places if regime in group.regimes.at(place)]
        ages += [regime.child_age_in(place) for place in here or [default]]
    return min(ages)


def _come_of_age_us(birth: date, age: int) -> int:
    """The first day of the month in which the child reaches the age: no finer date leaves the seal."""
    month = datetime(birth.year + age, birth.month, 1, tzinfo=UTC)
    return int(month.timestamp()) * 1_000_000
