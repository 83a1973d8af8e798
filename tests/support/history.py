"""What callers saw of one purpose of one person: a register that holds the act that stands, and where it is recorded.

- Positions give every write a name of its own and grow along the log, so the model is strict: an act may only be
  followed by one with a greater position, and a check must name the act that stands.
- A write whose outcome is unknown matters only as far as somebody saw it: it may have written a position that a check
  named, and that no acknowledged write has.
- The two `..._violations` below ask for less than linearizability, without any search: what they find needs no trust in
  the checker.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

from consentledger.v1 import types_pb2 as ty
from tests.support.linearizability import Operation, violation

CHECK = "check"
UNKNOWN, GRANTED = int(ty.CONSENT_STATE_UNKNOWN), int(ty.CONSENT_STATE_GRANTED)
DENIED, WITHDRAWN = int(ty.CONSENT_STATE_DENIED), int(ty.CONSENT_STATE_WITHDRAWN)
REFUSALS = (DENIED, WITHDRAWN)

State: TypeAlias = tuple[int, int]
"""(what stands, a `ConsentState`; where it is recorded)."""


@dataclass(frozen=True, slots=True)
class Key:
    """One register: one purpose of one person, asked about from one place."""

    person: str
    purpose: str
    jurisdiction: str
    opt_out: bool
    """Allowed until refused, instead of refused until granted."""

    def allows(self, state: int) -> bool:
        """What a check must answer."""
        return state == GRANTED or (self.opt_out and state == UNKNOWN)


@dataclass(frozen=True, slots=True)
class Seen:
    """The answer to a check."""

    allowed: bool
    state: int
    position: int


def check(start: float, end: float, seen: Seen) -> Operation:
    """A check and its answer."""
    return Operation(start, end, CHECK, seen)


def write(start: float, end: float, state: int, position: int = 0) -> Operation:
    """A write that sets a state, recorded at `position`; its outcome is unknown when `end` is infinite."""
    return Operation(start, end, state, position)


class Register:
    """The model of one key, for one history."""

    def __init__(self, key: Key, operations: Sequence[Operation]) -> None:
        self._key = key
        acknowledged = {o.output for o in writes(operations) if o.end != inf}
        seen = {(o.output.state, o.output.position) for o in checks(operations)}
        self._unexplained = sorted((s, p) for s, p in seen if p > 0 and p not in acknowledged)

    def step(self, state: State, operation: Operation) -> Iterable[State]:
        """The states that may follow."""
        if operation.input == CHECK:
            seen: Seen = operation.output
            right = (seen.state, seen.position) == state and seen.allowed == self._key.allows(seen.state)
            return (state,) if right else ()
        if operation.end == inf:
            return [s for s in self._unexplained if s[0] == operation.input and s[1] > state[1]]
        return ((operation.input, operation.output),) if operation.output > state[1] else ()


def not_linearizable(key: Key, operations: Sequence[Operation]) -> Operation | None:
    """The first answer that nothing explains; None if all is well."""
    return violation(operations, (UNKNOWN, 0), Register(key, operations).step)


def checks(operations: Iterable[Operation]) -> list[Operation]:
    """Those that read."""
    return [o for o in operations if o.input == CHECK]


def writes(operations: Iterable[Operation]) -> list[Operation]:
    """Those that write."""
    return [o for o in operations if o.input != CHECK]


def refusal_violations(operations: Sequence[Operation]) -> tuple[int, list[Operation]]:
    """P2 in so many words: checks that answered ALLOWED though they were asked after a refusal had been acknowledged,
    and before any newer grant was asked for. Also how many checks were asked in such a moment at all.

    A grant of unknown outcome may be newer for ever; it excuses only an answer whose evidence is newer as well.
    """
    refusals = [o for o in writes(operations) if o.input in REFUSALS and o.end != inf]
    grants = [o for o in writes(operations) if o.input == GRANTED]
    asked, wrong = 0, []
    for c in checks(operations):
        granted = max((g.end for g in grants if g.start < c.end and g.end != inf), default=-inf)
        refused = max((r.output for r in refusals if r.end < c.start and r.start > granted), default=None)
        if refused is not None:
            asked += 1
            excuse = c.output.position > refused and any(g.start < c.end and g.end == inf for g in grants)
            if c.output.allowed and not excuse:
                wrong.append(c)
    return asked, wrong


def staleness(operations: Sequence[Operation]) -> list[float]:
    """For each check, how long before it was asked its answer had ceased to be true, in seconds; 0 if it had not."""
    acknowledged = [o for o in writes(operations) if o.end != inf]
    return [
        max((c.start - w.end for w in acknowledged if w.output > c.output.position and w.end < c.start), default=0.0)
        for c in checks(operations)
    ]
