"""Plays a history on the domain and on the model side by side, one command at a time. Compares nothing itself.

- A command is decided at a moment no earlier than the one before it: `recorded_us` strictly increases along the log.
- After each command the events are taken from the aggregates, as the committer would; a refusal must have left none,
  which `claims` checks, so what is pending is handed over as it is.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from consentledger.errors import LedgerError
from consentledger.store.moment import Moment
from services.consent.domain import catalogue, consent, links
from services.consent.domain.catalogue import Basis, Catalogue, NoticeDef, PurposeDef, TenantDef
from services.consent.domain.decision import Verdict, decide
from services.consent.domain.group import Group, regimes_for
from services.consent.domain.person import Collected, Person
from services.consent.domain.state import PersonState
from tests.property import commands as do
from tests.property.laws import LAWS, REGIMES
from tests.property.model import View
from tests.property.recorder import Recorder

IDS = {who: UUID(int=n) for n, who in enumerate(do.PEOPLE, start=1)}
NAMES = {key.bytes: who for who, key in IDS.items()}


@dataclass(slots=True)
class Played:
    """One command and what it did on both sides."""

    command: do.Command
    now: int
    refusal: str | None
    """The domain's reason; None: accepted."""
    expected: set[str]
    """The model's reasons."""
    events: list[Any]
    """The domain's events, by position."""
    pending_after_refusal: int
    states_before: dict[str, PersonState]
    before: View
    after: View


@dataclass(slots=True)
class Sides:
    """The domain and the model. `keep_states` copies every state before each command, which is slow."""

    keep_states: bool = False
    catalogue: Catalogue = field(init=False)
    people: dict[str, Person] = field(init=False)
    model: Recorder = field(default_factory=Recorder)
    position: int = 0
    clock: int = do.START_US - 1
    log: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        at = self._moment(do.START_US - 100)
        self.catalogue = Catalogue.open(TenantDef("acme"), at)
        self.people = {who: Person.open(IDS[who], b"", at) for who in do.PEOPLE}
        self._collect()

    def play(self, history: Sequence[do.Command]) -> Iterator[Played]:
        """Run each command on both sides."""
        for command in history:
            now = self.next_time(command.gap)
            before = self.model.view
            states = {w: deepcopy(p.state) for w, p in self.people.items()} if self.keep_states else {}
            expected = self.model.apply(command, now)
            refusal = None
            try:
                self.ask(command, self._moment(now))
            except LedgerError as error:
                refusal = error.reason.value
            pending = sum(len(a.pending_events) for a in self._aggregates())
            events = self._collect()
            self.clock = max([now, *(e.recorded_us for e in events)])
            pending = pending if refusal else 0
            yield Played(command, now, refusal, expected, events, pending, states, before, self.model.view)

    def refusal(self, command: do.Command) -> str | None:
        """Why the domain refuses this command now; None if it takes it."""
        (step,) = self.play((command,))
        return step.refusal

    def why(self, regime: str = "plain", *, who: str = "p0", purpose: str = "a", hours: int = 0) -> str:
        """The reason for the answer under one regime, so many hours from now."""
        return self.verdict(who, purpose, [regime], self.clock + 1 + hours * do.HOUR_US).why.name

    def next_time(self, gap: int) -> int:
        """The moment of the next command, `gap` hours on."""
        return (self.clock // do.HOUR_US + gap) * do.HOUR_US if gap else self.clock + 1

    def _moment(self, now: int) -> Moment:
        return Moment(self.position, now, 1)

    def _aggregates(self) -> list[Catalogue | Person]:
        return [self.catalogue, *self.people.values()]

    def _collect(self) -> list[Any]:
        events: list[Any] = [e for a in self._aggregates() for e in a.collect_events()]
        events.sort(key=lambda e: e.position)
        self.log += events
        self.position += len(events)
        return events

    def group(self, who: str) -> Group:
        """A person with those linked, as the domain knows them."""
        person = self.people[who]
        others = tuple(self.people[NAMES[m]] for m in person.state.members)
        return Group(person, others, self.catalogue, LAWS)

    def verdict(self, who: str, purpose: str, regimes: Sequence[str], now: int) -> Verdict:
        """The domain's answer under these regimes."""
        return decide(
            self.catalogue.purpose(purpose),
            self.group(who).states(),
            [REGIMES[r] for r in regimes],
            self.catalogue.stale,
            now,
        )

    def applying(self, who: str, purpose: str, place: str) -> set[str] | None:
        """The regimes that the domain finds for a check asked from a place; None: it asks for a jurisdiction."""
        places = {j for s in self.group(who).states() for j in s.jurisdictions} | {place} - {""}
        try:
            return {r.id for r in regimes_for(LAWS, self.catalogue, self.catalogue.purpose(purpose), places)}
        except LedgerError as error:
            if error.reason.value != "JURISDICTION_REQUIRED":
                raise
            return None

    def ask(self, command: do.Command, at: Moment) -> None:
        """One command of the domain."""
        match command:
            case do.Define() | do.Retire() | do.Publish() | do.Home():
                self._ask_catalogue(command, at)
            case do.Record():
                self._record(command, at)
            case do.Refuse():
                consent.withdraw(
                    self.group(command.who),
                    at,
                    command.purposes,
                    occurred_us=do.told_us(command.told, at.recorded_us),
                    collected=Collected(jurisdiction=command.place),
                    personal=b"",
                    objection=command.objection,
                )
            case do.Signal(who, on, place):
                consent.signal(
                    self.group(who), at, kind=1, on=on, collected=Collected(jurisdiction=place), personal=b""
                )
            case do.Restrict(who, on):
                consent.restrict(self.group(who), at, restricted=on, collected=Collected(), personal=b"")
            case do.Link(left, right, place):
                collected = Collected(jurisdiction=place)
                links.link(self.group(left), self.group(right), at, collected=collected, personal=b"")
            case do.Undo(left, right):
                links.undo(self.group(left), self.people[right], at, collected=Collected(), personal=b"")
            case do.Expire(who, purpose):
                act = self.people[who].state.acts.get(purpose)
                if act is not None:
                    consent.expire(self.group(who), at, purpose, act.version)

    def _ask_catalogue(self, command: do.Define | do.Retire | do.Publish | do.Home, at: Moment) -> None:
        match command:
            case do.Define():
                form = PurposeDef(
                    command.purpose,
                    {r: Basis[b] for r, b in command.bases},
                    special_category=command.special,
                    directed_at_children=command.children,
                    sector_regimes=command.sectors,
                    kept_by_law=command.kept,
                )
                known = command.purpose in self.catalogue.purposes
                (catalogue.update_purpose if known else catalogue.create_purpose)(self.catalogue, form, at)
            case do.Retire(purpose):
                catalogue.retire_purpose(self.catalogue, purpose, at)
            case do.Publish(notice, material, purposes):
                version = f"{notice}{self.catalogue.ordinals.get(notice, 0) + 1}"
                text = NoticeDef(notice, version, "en", b"", "", material, purposes)
                catalogue.publish_notice(self.catalogue, text, at)
            case do.Home(place):
                catalogue.update_tenant(self.catalogue, TenantDef("acme", default_jurisdiction=place), at)

    def _record(self, command: do.Record, at: Moment) -> None:
        ends = [None if c.end is None else at.recorded_us + c.end * do.HOUR_US for c in command.choices]
        consent.record(
            self.group(command.who),
            at,
            [
                consent.ChoiceDef(c.purpose, c.grant, c.explicit, end)
                for c, end in zip(command.choices, ends, strict=True)
            ],
            notice=command.notice,
            occurred_us=do.told_us(command.told, at.recorded_us),
            collected=Collected(
                jurisdiction=command.place,
                age_band=command.age,
                guardian_method="card" if command.guardian else "",
                imported=command.imported,
            ),
            personal=b"",
            child_birth=command.birth,
        )


def played(*commands: do.Command) -> Sides:
    """Both sides after these commands, none of which is refused."""
    sides = Sides()
    for step in sides.play(commands):
        assert step.refusal is None, step.refusal
    return sides
