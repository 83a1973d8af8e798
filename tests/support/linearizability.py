"""Could one copy, asked by one caller after another, have answered like this? A checker of histories. Pure.

Just-in-time linearization, the breadth-first kin of Wing and Gong's search (Lowe, "Testing for linearizability", 2017):

- A configuration is a state, and the calls in flight that have taken effect in it already. All that can be are kept.
- When a call returns it must have taken effect. Each configuration is extended, by calls in flight only, until it has;
  those that cannot be extended so are dropped. When none is left, the history is not linearizable.
- A call of unknown outcome never returns: it takes effect at any time after its start, or never. Among such calls that
  ask for the same only the earliest is tried, since it can stand in for any of the others.

Check each object (here: each purpose of each person) by itself: a history is linearizable when each of its objects is.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

S = TypeVar("S", bound=Hashable)

MOST_CONFIGURATIONS = 200_000
"""Looked at for one return; a history that needs more is badly made."""


class TooHard(Exception):
    """Too many configurations: neither yes nor no."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. Times are of one clock that never goes back; calls that touch in time count as concurrent."""

    start: float
    end: float
    """`inf` when the outcome is unknown."""
    input: Any
    """What was asked; hashable."""
    output: Any = None


Step = Callable[[S, Operation], Iterable[S]]
"""The states after an operation: none when it cannot have answered so in this state."""


def violation(operations: Sequence[Operation], initial: S, step: Step[S]) -> Operation | None:
    """The first operation whose answer nothing explains; None for a linearizable history."""
    starts = [(o.start, 0, n) for n, o in enumerate(operations)]
    ends = [(o.end, 1, n) for n, o in enumerate(operations) if o.end != inf]
    configurations: set[tuple[S, frozenset[int]]] = {(initial, frozenset())}
    flying: dict[int, None] = {}  # in the order of their starts
    for _, returns, n in sorted(starts + ends):
        if not returns:
            flying[n] = None
            continue
        configurations = _extended(configurations, n, operations, flying, step)
        if not configurations:
            return operations[n]
        del flying[n]
    return None


def _extended(
    configurations: set[tuple[S, frozenset[int]]],
    returned: int,
    operations: Sequence[Operation],
    flying: Iterable[int],
    step: Step[S],
) -> set[tuple[S, frozenset[int]]]:
    """Every configuration in which `returned` has taken effect, without it."""
    found = set()
    seen = set(configurations)
    left = list(configurations)
    while left:
        state, done = left.pop()
        if returned in done:
            found.add((state, done - {returned}))
            continue
        for n in _candidates(operations, flying, done):
            for after in step(state, operations[n]):
                configuration = (after, done | {n})
                if configuration not in seen:
                    seen.add(configuration)
                    left.append(configuration)
        if len(seen) > MOST_CONFIGURATIONS:
            raise TooHard(f"more than {MOST_CONFIGURATIONS} configurations")
    return found


def _candidates(operations: Sequence[Operation], flying: Iterable[int], done: frozenset[int]) -> Iterable[int]:
    alike = set()
    for n in flying:
        if n in done:
            continue
        operation = operations[n]
        if operation.end == inf:
            if operation.input in alike:
                continue
            alike.add(operation.input)
        yield n
