"""What may be recorded, written a second time: each command with the reasons to refuse it, and the facts that it adds.

- A refused command adds no fact. More than one reason may hold; a refusal is right when it names any of them.
- A protective act needs a known purpose and a time that is not in the future, and nothing else.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from tests.property import commands as do
from tests.property.facts import Ended, Fact, Lives, Paired, Said, Stopped, Turned
from tests.property.laws import REGIMES
from tests.property.model import DAY_US, View

MOST_SKEW_US = do.HOUR_US // 6
"""How far ahead a told time may be."""


class Recorder:
    """The list of facts as it grows."""

    def __init__(self) -> None:
        self.view = View(())

    def apply(self, command: do.Command, now: int) -> set[str]:
        """Take a command in at a moment; returns the reasons that it may be refused for, and then takes nothing in."""
        reasons, facts = self._judge(command, now)
        if not reasons and facts:
            self.view = View((*self.view.facts, *facts))
        return reasons

    def _judge(self, command: do.Command, now: int) -> tuple[set[str], list[Fact]]:
        view = self.view
        match command:
            case do.Record():
                return self._record(command, now)
            case do.Refuse():
                return self._refuse(command, now)
            case do.Signal(who, on, place):
                same = view.turned("signal", who) == on
                return set(), [] if same else [Turned("signal", who, on), *_lives([who], place)]
            case do.Restrict(who, on):
                return set(), [] if view.turned("restriction", who) == on else [Turned("restriction", who, on)]
            case do.Link(left, right, place):
                if left == right:
                    return {"INVALID_FIELD"}, []
                if view.paired(left, right):
                    return set(), []
                return set(), [
                    Paired(frozenset((left, right)), True),
                    *_lives(view.group(left) | view.group(right), place),
                ]
            case do.Undo(left, right):
                if left == right:
                    return {"INVALID_FIELD"}, []
                linked = view.paired(left, right)
                return (set(), [Paired(frozenset((left, right)), False)]) if linked else ({"LINK_UNKNOWN"}, [])
            case do.Expire(who, purpose):
                return set(), self._end(who, purpose, now)
            case do.Retire(purpose):
                if view.purpose(purpose) is None:
                    return {"PURPOSE_UNKNOWN"}, []
                return set(), [] if view.retired(purpose) else [command]
            case do.Define():
                return set(), [*self._stopped(command, now), command]
            case do.Publish() | do.Home():
                return set(), [command]

    def _end(self, who: str, purpose: str, now: int) -> list[Fact]:
        stands = self.view.standing(who, purpose)
        grants = [said for i in stands if (said := self.view.said(i)).kind == "GRANT"]
        ended = {i for f in self.view.of(Ended) for i in f.grants}
        due = any(g.end is not None and g.end <= now for g in grants)
        return [Ended(stands)] if due and not ended & set(stands) else []

    def _stopped(self, command: do.Define, now: int) -> list[Fact]:
        old = self.view.purpose(command.purpose)
        asking = [r for r, basis in (old.bases if old else ()) if basis != "CONTRACT"]
        return [
            Stopped(command.purpose, r, now) for r in asking if dict(command.bases).get(r, "CONTRACT") == "CONTRACT"
        ]

    def _refuse(self, command: do.Refuse, now: int) -> tuple[set[str], list[Fact]]:
        told = do.told_us(command.told, now)
        reasons = {"PURPOSE_UNKNOWN" for p in command.purposes if self.view.purpose(p) is None}
        reasons |= {"OCCURRED_IN_FUTURE"} if told is not None and told > now + MOST_SKEW_US else set()
        kind = "OBJECT" if command.objection else "WITHDRAW"
        said = Said(command.who, kind, command.purposes or None, _effective(told, now))
        return reasons, [said, *_lives([command.who], command.place)]

    def _record(self, command: do.Record, now: int) -> tuple[set[str], list[Fact]]:
        told = do.told_us(command.told, now)
        reasons = {"OCCURRED_IN_FUTURE"} if told is not None and told > now + MOST_SKEW_US else set()
        facts: list[Fact] = []
        known = command.notice in [name for name, _ in self.view.notices]
        for i, choice in enumerate(command.choices):
            kind = "GRANT" if choice.grant else "DENY"
            said = Said(command.who, kind, (choice.purpose,), _effective(told, now + i))
            if choice.grant and not known and not command.imported:
                reasons.add("NOTICE_UNKNOWN" if command.notice else "NOTICE_REQUIRED")
            if choice.grant and known and not command.imported:
                reasons |= set() if self.view.speaks_of(command.notice, choice.purpose) else {"INVALID_FIELD"}
            if self.view.purpose(choice.purpose) is None:
                reasons.add("PURPOSE_UNKNOWN")
            elif choice.grant:
                refused, end = self._grant(command, choice, now)
                reasons |= refused
                said = Said(
                    said.who,
                    kind,
                    said.purposes,
                    said.effective,
                    command.notice if known else "",
                    choice.explicit,
                    end,
                )
            facts.append(said)
        return reasons, [*facts, *_lives([command.who], command.place)]

    def _grant(self, command: do.Record, choice: do.Choose, now: int) -> tuple[set[str], int | None]:
        """The reasons against a grant, and its end."""
        form = self.view.purpose(choice.purpose)
        assert form is not None
        reasons = {"PURPOSE_RETIRED"} if self.view.retired(choice.purpose) else set()
        applying = self.view.applying(choice.purpose, {command.place, *self.view.places(command.who)})
        applying = applying or {(r, "") for r, _ in form.bases}
        laws = [(REGIMES[r], place) for r, place in applying]
        ends = []
        if choice.end is not None:
            ends.append(now + choice.end * do.HOUR_US)
            reasons |= {"INVALID_FIELD"} if choice.end <= 0 and not command.imported else set()
        if form.special and not choice.explicit and any(law.explicit_for_special_category for law, _ in laws):
            reasons.add("EXPLICIT_REQUIRED")
        start = _effective(do.told_us(command.told, now), now)
        ends += [start + law.grant_validity_days * DAY_US for law, _ in laws if law.grant_validity_days is not None]
        if command.guardian:
            if command.birth is None:
                return reasons | {"INVALID_FIELD"}, None
            grown = _grown(command.birth, min(law.child_ages.get(place, law.child_age) for law, place in laws))
            ends.append(grown)
            reasons |= {"INVALID_FIELD"} if grown <= now and not command.imported else set()
        elif command.age == 2 or (form.children and command.age != 1):
            reasons.add("GUARDIAN_REQUIRED")
        return reasons, min(ends, default=None)


def _effective(told: int | None, now: int) -> int:
    return now if told is None else min(told, now)


def _grown(birth: date, age: int) -> int:
    """The first day of the month in which a child reaches an age."""
    return int(datetime(birth.year + age, birth.month, 1, tzinfo=UTC).timestamp()) * 1_000_000


def _lives(people: Iterable[str], place: str) -> list[Fact]:
    return [Lives(who, place) for who in people if place]
