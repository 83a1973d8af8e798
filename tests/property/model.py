"""The rules of consent written a second time, from the specification alone: naive, slow, and apart from the domain.

The model keeps what was said as a list of facts in the order of arrival, and answers each question by reading the list
again. `View(facts)` is what was known at one place of that list; a question takes the moment it asks about.

- `NEVER` as a moment: no end has come yet but those that are themselves recorded.
- What may be added to the list is in `recorder`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from tests.property import commands as do
from tests.property.facts import Ended, Fact, Lives, Paired, Said, Stopped, Turned
from tests.property.laws import PLACES, REGIMES

F = TypeVar("F")
NEVER = -(10**18)
DAY_US = 24 * do.HOUR_US
RANK = {"GRANT": 0, "DENY": 1, "WITHDRAW": 2, "OBJECT": 3}
SAID = {"DENY": "DENIED", "WITHDRAW": "WITHDRAWN", "OBJECT": "OBJECTED"}
STATES = ("UNKNOWN", "GRANTED", "STALE", "EXPIRED", "DENIED", "WITHDRAWN", "OBJECTED")
"""From the least protective to the most."""
TIERS = (
    ("PURPOSE_RETIRED", "RESTRICTED"),
    ("OBJECTED",),
    ("WITHDRAWN",),
    ("DENIED",),
    ("UNIVERSAL_SIGNAL",),
    ("EXPIRED", "NOTICE_STALE", "NOT_EXPLICIT"),
    ("NO_RECORD", "NO_LEGAL_BASIS"),
    ("GRANTED",),
    ("NOT_OPTED_OUT",),
    ("CONSENT_NOT_NEEDED",),
)
"""Reasons from the most protective to the least; within a tier any that applies will do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a check says: any of `whys` is a right reason."""

    allowed: bool
    whys: frozenset[str]
    until: int | None


class View:
    """What the first facts of a list say."""

    def __init__(self, facts: tuple[Fact, ...]) -> None:
        self.facts = facts
        self._of: dict[type, Any] = {}
        self.standing = lru_cache(None)(self._standing)
        self.groups = [self._components(0)]
        for n, fact in enumerate(facts, start=1):
            self.groups.append(self._components(n) if isinstance(fact, Paired) else self.groups[-1])

    def of(self, kind: type[F]) -> list[F]:
        """The facts of one kind, in order."""
        if kind not in self._of:
            self._of[kind] = [f for f in self.facts if isinstance(f, kind)]
        found: list[F] = self._of[kind]
        return found

    def said(self, place: int) -> Said:
        """The act at a place of the list."""
        fact = self.facts[place]
        assert isinstance(fact, Said)
        return fact

    # People

    def _components(self, n: int) -> dict[str, frozenset[str]]:
        """Who is linked with whom after the first n facts."""
        pairs: set[frozenset[str]] = set()
        for fact in self.facts[:n]:
            if isinstance(fact, Paired):
                pairs = pairs | {fact.pair} if fact.linked else pairs - {fact.pair}
        found = {}
        for who in do.PEOPLE:
            group = {who}
            while more := {p for pair in pairs if pair & group for p in pair} - group:
                group |= more
            found[who] = frozenset(group)
        return found

    def group(self, who: str) -> frozenset[str]:
        """A person and all linked with them, now."""
        return self.groups[-1][who]

    def paired(self, left: str, right: str) -> bool:
        """Whether the two are linked directly."""
        said = [f.linked for f in self.of(Paired) if f.pair == {left, right}]
        return bool(said) and said[-1]

    def places(self, who: str) -> set[str]:
        """Every place recorded with the person or those linked."""
        return {f.place for f in self.of(Lives) if f.who in self.group(who)}

    def turned(self, what: str, who: str) -> bool:
        """Whether a signal or a restriction of this person is on."""
        return self._turned.get((what, who), (False, None))[0]

    @cached_property
    def _turned(self) -> dict[tuple[str, str], tuple[bool, int | None]]:
        """(on, where in the list it was set, if by the person). Who parts takes over what others set while linked."""
        state: dict[tuple[str, str], tuple[bool, int | None]] = {}
        for n, fact in enumerate(self.facts):
            if isinstance(fact, Turned):
                state[fact.what, fact.who] = (fact.on, n)
            before = dict(state)
            for who in do.PEOPLE:
                for other in self.groups[n][who] - self.groups[n + 1][who]:
                    for what in ("signal", "restriction"):
                        on, at = before.get((what, other), (False, None))
                        own = before.get((what, who), (False, None))[0]
                        linked = at is not None and all(who in self.groups[k][other] for k in range(at, n + 1))
                        if on and linked and not own:
                            state[what, who] = (True, None)
        return state

    def _own(self, who: str) -> list[int]:
        """The acts of this person, and those taken over at each parting: protective, made in the same group."""
        own = {i for i, f in enumerate(self.facts) if isinstance(f, Said) and f.who == who}
        for n in range(len(self.facts)):
            left = self.groups[n][who] - self.groups[n + 1][who]
            for i, fact in enumerate(self.facts[:n]):
                said = fact if isinstance(fact, Said) and fact.kind != "GRANT" else None
                if said and said.who in left & self.groups[i][who]:
                    own.add(i)
        return sorted(own)

    def _standing(self, who: str, purpose: str) -> tuple[int, ...]:
        """The act that stands for one person; several when grants tie; none."""
        own = {i: self.said(i) for i in self._own(who)}
        about = {i: s for i, s in own.items() if s.purposes is None or purpose in s.purposes}
        if not about:
            return ()
        newest = max(s.effective for s in about.values())
        tied = {i: s for i, s in about.items() if s.effective == newest}
        strongest = max(RANK[s.kind] for s in tied.values())
        return tuple(i for i, s in tied.items() if RANK[s.kind] == strongest)

    def acts(self, who: str, purpose: str) -> list[list[Said]]:
        """What stands for each member of the group who said anything."""
        found = [
            [f for i in self.standing(p, purpose) if isinstance(f := self.facts[i], Said)] for p in self.group(who)
        ]
        return [acts for acts in found if acts]

    # Catalogue

    def purpose(self, purpose: str) -> do.Define | None:
        """The newest form of a purpose."""
        forms = [f for f in self.of(do.Define) if f.purpose == purpose]
        return forms[-1] if forms else None

    def retired(self, purpose: str) -> bool:
        """Whether the purpose was ended."""
        return any(f.purpose == purpose for f in self.of(do.Retire))

    @cached_property
    def notices(self) -> list[tuple[str, do.Publish]]:
        """Every notice version with its name, in the order of publication."""
        published = self.of(do.Publish)
        return [
            (f"{p.notice}{[q.notice for q in published[: i + 1]].count(p.notice)}", p) for i, p in enumerate(published)
        ]

    def stale(self, notice: str, purpose: str) -> bool:
        """Whether the notice is unknown or of other purposes, or a later material version speaks of the purpose."""
        names = [name for name, _ in self.notices]
        if notice not in names or not self.speaks_of(notice, purpose):
            return True
        at = names.index(notice)
        return any(
            p.material and p.notice == self.notices[at][1].notice and (not p.purposes or purpose in p.purposes)
            for _, p in self.notices[at + 1 :]
        )

    def speaks_of(self, notice: str, purpose: str) -> bool:
        """Whether a published notice names the purpose, or names none."""
        named = dict(self.notices)[notice].purposes
        return not named or purpose in named

    def home(self) -> str:
        """The tenant's default jurisdiction."""
        homes = [f.place for f in self.of(do.Home)]
        return homes[-1] if homes else ""

    def applying(self, purpose: str, places: Iterable[str]) -> set[tuple[str, str]]:
        """(regime, place by which it applies), the place empty for those of the sector. None: a place is required."""
        by_place = {(r, p) for p in places if p for r in PLACES[p]}
        if not by_place and self.home():
            by_place = {(r, self.home()) for r in PLACES[self.home()]}
        form = self.purpose(purpose)
        return by_place | {(r, "") for r in (form.sectors if form else ())}

    # Answers

    def faults(self, grants: list[Said], purpose: str, now: int) -> set[str]:
        """Why tied grants, which count only together, no longer hold, whatever the regime."""
        ended = {i for f in self.of(Ended) for i in f.grants}
        faults = set()
        if any(self.facts[i] in grants for i in ended) or any(g.end is not None and g.end <= now for g in grants):
            faults.add("EXPIRED")
        if len({g.notice for g in grants}) > 1 or any(self.stale(g.notice, purpose) for g in grants):
            faults.add("NOTICE_STALE")
        return faults

    def state(self, who: str, purpose: str, now: int) -> str:
        """What stands for the group: the most protective of its members' states."""
        states = ["UNKNOWN"]
        for acts in self.acts(who, purpose):
            faults = self.faults(acts, purpose, now)
            if acts[0].kind != "GRANT":
                states.append(SAID[acts[0].kind])
            else:
                states.append("EXPIRED" if "EXPIRED" in faults else "STALE" if faults else "GRANTED")
        return max(states, key=STATES.index)

    def check(self, who: str, purpose: str, regimes: Iterable[str], now: int) -> Answer:
        """The most protective answer of all the regimes."""
        answers = [self._under(who, purpose, regime, now) for regime in regimes]
        for tier in TIERS:
            in_tier = [a for a in answers if a.whys & set(tier)]
            if in_tier:
                ends = [a.until for a in answers if a.until is not None]
                allowed = all(a.allowed for a in answers)
                whys = frozenset(w for a in in_tier for w in a.whys)
                return Answer(allowed, whys, min(ends) if allowed and ends else None)
        raise AssertionError("a check needs a regime")

    def _under(self, who: str, purpose: str, regime: str, now: int) -> Answer:
        form = self.purpose(purpose)
        assert form is not None
        if self.retired(purpose):
            return _no("PURPOSE_RETIRED")
        if not form.kept and any(self.turned("restriction", p) for p in self.group(who)):
            return _no("RESTRICTED")
        basis = dict(form.bases).get(regime)
        if basis is None:
            return _no("NO_LEGAL_BASIS")
        acts = self.acts(who, purpose)
        if basis == "CONTRACT":
            until = max((f.at for f in self.of(Stopped) if (f.purpose, f.regime) == (purpose, regime)), default=NEVER)
            lasting = {a.kind for p in self.group(who) for a in self._lasting(p, purpose, until)}
            if lasting:
                return _no(SAID[max(lasting, key=RANK.__getitem__)])
            return Answer(True, frozenset({"CONSENT_NOT_NEEDED"}), None)
        refusals = {a.kind for tied in acts for a in tied} - {"GRANT"}
        if refusals:
            return _no(SAID[max(refusals, key=RANK.__getitem__)])
        if basis in ("OPT_OUT", "LEGITIMATE_INTEREST"):
            if any(self.turned("signal", p) for p in self.group(who)):
                return _no("UNIVERSAL_SIGNAL")
            return Answer(True, frozenset({"NOT_OPTED_OUT"}), None)
        if not acts:
            return _no("NO_RECORD")
        return self._opted_in(acts, form, regime, basis, now)

    def _lasting(self, who: str, purpose: str, until: int) -> list[Said]:
        """The refusals that stand for a person who first refused by then: saying it again lifts nothing."""
        own = [self.said(i) for i in self._own(who)]
        refused = [s.effective for s in own if s.kind != "GRANT" and (s.purposes is None or purpose in s.purposes)]
        stands = [self.said(i) for i in self.standing(who, purpose)]
        return [s for s in stands if s.kind != "GRANT" and min(refused) <= until]

    def _opted_in(self, acts: list[list[Said]], form: do.Define, regime: str, basis: str, now: int) -> Answer:
        law = REGIMES[regime]
        explicit = basis == "EXPLICIT_CONSENT" or (form.special and law.explicit_for_special_category)
        faults: set[str] = set()
        ends = []
        for grants in acts:
            found = self.faults(grants, form.purpose, now)
            if law.stale_notice_tolerated:
                found -= {"NOTICE_STALE"}
            if explicit and not all(g.explicit for g in grants):
                found.add("NOT_EXPLICIT")
            own_ends = [g.end for g in grants if g.end is not None]
            if law.grant_validity_days is not None:
                own_ends.append(grants[0].effective + law.grant_validity_days * DAY_US)
            if any(e <= now for e in own_ends):
                found.add("EXPIRED")
            ends += own_ends
            faults |= found
        if faults:
            return _no(*faults)
        return Answer(True, frozenset({"GRANTED"}), min(ends) if ends else None)


def _no(*whys: str) -> Answer:
    return Answer(False, frozenset(whys), None)
