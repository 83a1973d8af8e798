"""What a command about consent needs to know: the person, those linked, the catalogue and the regimes. Pure.

`lowered` finds the purposes that an act revokes: those for which a check that could be ALLOWED, under some regime that
the purpose has a basis for, is NOT_ALLOWED from then on.

- A place that becomes known can bring a regime that refuses: that revokes as well.
- An end that has come but is not recorded has not been told to anybody. So a check counts as ALLOWED before the act
  also when only such an end stands against it: else an act between an end and its record would hide both.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from consentledger.errors import LedgerError, Reason, invalid
from consentledger.regimes.model import Regime, Regimes, UnknownJurisdiction
from services.consent.domain.acts import Act
from services.consent.domain.catalogue import Catalogue, PurposeDef
from services.consent.domain.decision import State, combined, decide
from services.consent.domain.person import Person
from services.consent.domain.state import ALL, PersonState

BEFORE_ANY_END_US = -(2**63)
"""A moment at which no grant has ended by time alone."""
MOST_NAMED = 100
"""For more purposes than these an event says that all are revoked, so that its header stays small."""
SKEW_US = 600_000_000
"""How far ahead of the log's clock a told time may be: 10 minutes."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands for one purpose, and the act behind it."""

    purpose: str
    state: State
    act: Act | None
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A person and those linked with them."""

    person: Person
    others: tuple[Person, ...]
    catalogue: Catalogue
    regimes: Regimes

    def states(self) -> list[PersonState]:
        """Own state first."""
        return [self.person.state, *(o.state for o in self.others)]

    def standing(self, purposes: Iterable[str], now_us: int) -> list[Standing]:
        """What stands for each purpose over the whole group."""
        states = self.states()
        found = ((p, *combined(states, p, self.catalogue.stale, now_us)) for p in purposes)
        return [Standing(p, state, act) for p, state, act in found]

    def all_purposes(self) -> list[str]:
        """Every purpose of the tenant, by id."""
        return sorted(self.catalogue.purposes)

    def after(self, jurisdiction: str) -> PersonState:
        """A copy of the person's state for an act that tells a place, to be changed as the act will change it.

        The first place of a person who had no events displaces nothing: nobody was told otherwise.
        """
        state = self.person.state.copy()
        if self.person.version > 1:
            state.live_in(jurisdiction)
        return state

    def lowered(self, after: PersonState, purposes: Iterable[str], now_us: int) -> tuple[str, ...]:
        """Purposes revoked when the person's own state becomes `after`."""
        others = [o.state for o in self.others]
        return lowered(self, self.states(), [after, *others], purposes, now_us)


def lowered(
    group: Group,
    before: Sequence[PersonState],
    after: Sequence[PersonState],
    purposes: Iterable[str],
    now_us: int,
) -> tuple[str, ...]:
    """Purposes for which some check was ALLOWED with `before` and is not with `after`, now or but for open ends."""
    found = {
        purpose.id
        for purpose in map(group.catalogue.purpose, purposes)
        if any(
            _allows(group, purpose, (regime,), before, moment) and not _allows(group, purpose, (regime,), after, moment)
            for regime in representatives(group.regimes, purpose)
            for moment in (now_us, BEFORE_ANY_END_US)
        )
    } | _displaced(group, before, after, now_us)
    return tuple(sorted(found)) if len(found) <= MOST_NAMED else (ALL,)


def _displaced(group: Group, before: Sequence[PersonState], after: Sequence[PersonState], now_us: int) -> set[str]:
    """Purposes that the regimes of the places known before allowed, and those of a place added do not."""
    old_places, new_places = ({p for s in states for p in s.jurisdictions} for states in (before, after))
    if new_places <= old_places:
        return set()
    found = set()
    for purpose in group.catalogue.purposes.values():
        try:
            old = regimes_for(group.regimes, group.catalogue, purpose, tuple(sorted(old_places)))
            new = regimes_for(group.regimes, group.catalogue, purpose, tuple(sorted(new_places)))
        except LedgerError:
            continue  # no place was known before: no check could be answered
        if any(
            _allows(group, purpose, old, before, moment) and not _allows(group, purpose, new, after, moment)
            for moment in (now_us, BEFORE_ANY_END_US)
        ):
            found.add(purpose.id)
    return found


@lru_cache(maxsize=4096)
def representatives(regimes: Regimes, purpose: PurposeDef) -> tuple[Regime, ...]:
    """One regime for each way in which those that the purpose has a basis for can decide: many states, few cases."""
    found: dict[object, Regime] = {}
    for name, basis in purpose.bases.items():
        r = regimes.by_id[name]
        asked = purpose.asked_until_us.get(name, 0)
        case = (basis, r.explicit_for_special_category, r.stale_notice_tolerated, r.grant_validity_days, asked)
        found.setdefault(case, r)
    return tuple(found.values())


def only_grants_more(group: Group, purpose: str, act: Act, after: PersonState) -> bool:
    """Whether a grant surely revokes nothing: alone, no new place, instead of nothing, of a refusal or of its like."""
    old = group.person.state.standing(purpose)
    if group.others or act.protective or after.jurisdictions != group.person.state.jurisdictions:
        return False
    if old is None or old.protective:
        return True
    same = (old.notice, old.expires_us, old.expired) == (act.notice, act.expires_us, False)
    return same and act.explicit >= old.explicit and act.effective_us >= old.effective_us


def _allows(
    group: Group, purpose: PurposeDef, regimes: Sequence[Regime], states: Sequence[PersonState], now_us: int
) -> bool:
    return decide(purpose, states, regimes, group.catalogue.stale, now_us).allowed


def regimes_for(
    regimes: Regimes, catalogue: Catalogue, purpose: PurposeDef, places: Iterable[str]
) -> tuple[Regime, ...]:
    """The regimes that apply: by every place known, else by the tenant's default; and those of the sector.

    A malformed or unknown place is INVALID_FIELD. None at all is JURISDICTION_REQUIRED.
    """
    try:
        found = regimes.applying(places, purpose.sector_regimes)
        if not any(not r.sectoral for r in found) and catalogue.tenant.default_jurisdiction:
            found = regimes.applying((catalogue.tenant.default_jurisdiction,), purpose.sector_regimes)
    except UnknownJurisdiction:
        raise invalid("jurisdiction", "ISO 3166-1 or 3166-2") from None
    if not found:
        raise LedgerError(Reason.JURISDICTION_REQUIRED)
    return found


def check_told_time(occurred_us: int | None, now_us: int) -> None:
    """Refuse a time that lies further ahead than clocks may differ."""
    if occurred_us is not None and occurred_us > now_us + SKEW_US:
        raise LedgerError(Reason.OCCURRED_IN_FUTURE)
