"""A random log with what was kept of it before, to tamper with; and what must then be found, and where."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from consentledger.store.ledger import Entry
from consentledger.v1 import events_pb2 as ev
from consentledger_verify.overview import Asked
from consentledger_verify.problems import Problem
from tests.support.madeexport import Case, Parties, Parts
from tests.support.madelog import made_log

ACTS = frozenset({"consent.recorded.v1", "consent.withdrawn.v1"})
PLAIN = ACTS | {"subject.opened.v1", "access.recorded.v1"}
"""Types whose loss says nothing about erasures."""


class NotHere(Exception):
    """This log has nothing that could be tampered with in this way; take another."""


@dataclass(frozen=True)
class Found:
    """A class of problem that must be reported, between two positions or at one; None where it has no place."""

    problem: Problem
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True)
class Tampered:
    """A file that is not what it should be."""

    data: bytes
    finds: tuple[Found, ...]
    """The class that it is of comes first."""
    asked: Asked
    place: int | None = None
    """Where it first differs from an honest one."""
    code: int = 1
    unseen_by: Asked | None = None
    """What is too little to find it: then everything holds. The sixth column of docs/insider.md."""


@dataclass
class Scene:
    """One log."""

    chance: random.Random
    case: Case
    pins: tuple[int, ...] = field(default=())
    """Sizes of earlier checkpoints, ascending."""

    @classmethod
    def of(cls, chance: random.Random, parties: Parties | None = None, *, larger: int = 0) -> "Scene":
        """Any log that is long enough."""
        size = larger + chance.randint(40, 90)
        pins = chance.randint(size // 4, size // 2), chance.randint(size // 2 + 1, 3 * size // 4)
        return cls(chance, Case.of(made_log(chance, size, erasures=0.12), parties or Parties.of(chance)), pins)

    @property
    def size(self) -> int:
        """How many events."""
        return self.case.log.size

    @cached_property
    def entries(self) -> list[Entry]:
        """The events, as the store holds them."""
        return self.case.log.at(self.size)

    def asked(self, **more: Any) -> Asked:
        """Against the policy and the pins."""
        return self.case.asked(**{"pins": tuple(self.case.pin(size) for size in self.pins), **more})

    def pick(self, fits: Callable[[Entry], object], *, least: int = 1) -> int:
        """Any position, from `least` on, whose event fits."""
        found = [entry.position for entry in self.entries if entry.position >= least and fits(entry)]
        if not found:
            raise NotHere
        return self.chance.choice(found)

    def living(self, entry: Entry) -> bool:
        """Whether the event is of a person who is not erased."""
        person = self.case.log.persons.get(entry.stream)
        return person is not None and not person.erased

    def bracket(self, position: int, otherwise: Found) -> Found:
        """Where a changed leaf must be found: between the pins around it, or `otherwise`, after the last of them."""
        before = max((size for size in self.pins if size < position), default=0) + 1
        after = min((size for size in self.pins if size >= position), default=None)
        if after is None:
            return replace(otherwise, first=before)
        return Found(Problem.PIN_ROOT, before, after)

    def exact(self, parts: Parts, problem: Problem, position: int, *, place: int | None = None) -> Tampered:
        """Found at one position."""
        found = Found(problem, position, position)
        return Tampered(parts.data(), (found,), self.asked(), position if place is None else place)

    def in_tree(self, parts: Parts, position: int) -> Tampered:
        """Found by the tree alone: no rule is broken but that leaves stay."""
        found = self.bracket(position, Found(Problem.ROOT, last=self.size))
        return Tampered(parts.data(), (found,), self.asked(), position)

    def between(self, position: int) -> int:
        """A time, in microseconds, after the event before a position and before the one at it. NotHere without room."""
        before = self.entries[position - 2].recorded_us if position > 1 else 0
        if self.entries[position - 1].recorded_us - before < 2:
            raise NotHere
        return before + 1

    def forged(self, recorded_us: int, tenant: str = "acme") -> bytes:
        """The leaf of somebody who was never there."""
        entry = ev.LedgerEntry(
            format=1, tenant=tenant, stream=self.chance.randbytes(16), version=1, type="subject.opened.v1"
        )
        entry.header.subject_opened.SetInParent()
        return timed(entry, recorded_us)

    def rewritten(self, position: int, leaf: bytes) -> Case:
        """The same log with another leaf: what somebody has who may sign."""
        entries = list(self.entries)
        entries[position - 1] = replace(entries[position - 1], leaf=leaf)
        return Case.of(replace(self.case.log, entries=entries), self.case.parties)


def edited(leaf: bytes, **fields: Any) -> bytes:
    """The leaf with other values."""
    entry = ev.LedgerEntry.FromString(leaf)
    for name, value in fields.items():
        setattr(entry, name, value)
    return entry.SerializeToString(deterministic=True)


def timed(entry: ev.LedgerEntry, recorded_us: int) -> bytes:
    """The leaf of an entry, recorded at another time."""
    entry.recorded_at.seconds, micros = divmod(recorded_us, 1_000_000)
    entry.recorded_at.nanos = micros * 1000
    return entry.SerializeToString(deterministic=True)


def retimed(leaf: bytes, recorded_us: int) -> bytes:
    """The leaf, recorded at another time."""
    return timed(ev.LedgerEntry.FromString(leaf), recorded_us)


def turned(leaf: bytes) -> bytes:
    """The leaf with the opposite choice, all else the same. NotHere for an event without one."""
    entry = ev.LedgerEntry.FromString(leaf)
    if entry.header.WhichOneof("kind") != "consent_recorded":
        raise NotHere
    entry.header.consent_recorded.choice = 3 - entry.header.consent_recorded.choice  # type: ignore[assignment]
    return entry.SerializeToString(deterministic=True)


def flipped(chance: random.Random, data: bytes) -> bytes:
    """The bytes with one bit turned."""
    bit = chance.randrange(len(data) * 8)
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def renumbered(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with positions from 1."""
    return [row | {"i": position} for position, row in enumerate(rows, 1)]


Tampering = Callable[[Scene], Tampered]
