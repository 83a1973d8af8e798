"""What may be asked of the ledger, as plain data. Knows neither the domain nor the model.

- `gap` is how many hours pass before the command.
- `told` is `AHEAD`, `FUTURE`, or the hour since `START_US`.
"""

from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

HOUR_US = 3_600_000_000
START_US = 1_781_481_600_000_000
"""2026-06-15."""
AHEAD, FUTURE = -1, -2
"""Told times five minutes ahead of the clock, which is allowed, and an hour ahead, which is not."""

PEOPLE = ("p0", "p1", "p2", "p3")
PURPOSES = ("a", "b", "c")
LATER = "d"
"""A purpose that no history starts with."""


@dataclass(frozen=True, slots=True)
class Define:
    """Create a purpose, or replace it."""

    purpose: str
    bases: tuple[tuple[str, str], ...]
    special: bool = False
    children: bool = False
    sectors: tuple[str, ...] = ()
    kept: bool = False
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Retire:
    """End a purpose."""

    purpose: str
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish the next version of a notice: "n1", "n2" and so on."""

    notice: str
    material: bool = False
    purposes: tuple[str, ...] = ()
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Home:
    """Set the tenant's default jurisdiction."""

    place: str
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Choose:
    """One choice of a `Record`; `end` in hours from the command, which may have passed."""

    purpose: str
    grant: bool = True
    explicit: bool = False
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """Grants and denials in one command."""

    who: str
    choices: tuple[Choose, ...]
    notice: str = "n1"
    told: int | None = None
    place: str = ""
    age: int = 0
    guardian: bool = False
    birth: date | None = None
    imported: bool = False
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Refuse:
    """A withdrawal or an objection; no purposes: all."""

    who: str
    purposes: tuple[str, ...] = ()
    objection: bool = False
    told: int | None = None
    place: str = ""
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Signal:
    """A universal opt-out signal, or its end."""

    who: str
    on: bool
    place: str = ""
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Restrict:
    """A restriction, or its end."""

    who: str
    on: bool
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """Join two people."""

    left: str
    right: str
    place: str = ""
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Undo:
    """Part two people."""

    left: str
    right: str
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Expire:
    """Record the end of a grant, if it is due."""

    who: str
    purpose: str
    gap: int = 0


Command: TypeAlias = Define | Retire | Publish | Home | Record | Refuse | Signal | Restrict | Link | Undo | Expire
History: TypeAlias = tuple[Command, ...]


def told_us(told: int | None, now_us: int) -> int | None:
    """The told time of a command, microseconds."""
    if told is None:
        return None
    if told in (AHEAD, FUTURE):
        return now_us + (HOUR_US // 12 if told == AHEAD else HOUR_US)
    return START_US + told * HOUR_US
