"""What the naive model remembers: facts, in the order in which they became known."""

from dataclasses import dataclass
from typing import TypeAlias

from tests.property import commands as do


@dataclass(frozen=True, slots=True)
class Said:
    """An act. `purposes` None: every purpose."""

    who: str
    kind: str
    purposes: tuple[str, ...] | None
    effective: int
    notice: str = ""
    explicit: bool = False
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of grants is recorded; `grants` are their places in the list."""

    grants: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Turned:
    """A signal or a restriction of a person is on or off from here on."""

    what: str
    who: str
    on: bool


@dataclass(frozen=True, slots=True)
class Paired:
    """Two people are linked, or no longer."""

    pair: frozenset[str]
    linked: bool


@dataclass(frozen=True, slots=True)
class Lives:
    """A place of a person."""

    who: str
    place: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Until when the basis of a purpose under a regime was one that can be refused."""

    purpose: str
    regime: str
    at: int


Fact: TypeAlias = Said | Ended | Turned | Paired | Lives | Stopped | do.Define | do.Retire | do.Publish | do.Home
"""Commands about the catalogue are facts as they are."""
