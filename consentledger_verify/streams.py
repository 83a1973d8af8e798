"""What may follow what in one stream: versions without a gap, and hardly anything once an erasure has begun. Pure.

- A stream whose first event is in an export that starts at position 1 starts with version 1. One that was under way
  before the export starts anywhere.
- After `subject.erased.v1` come only records of who read, and `key.destroyed.v1`; after that, nothing.
- A ciphertext may be gone only if its stream is being erased. The erasure is always the later event, so this is decided
  at the end, and only by an export that reaches the end of the log.

Memory: about 150 bytes a stream.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from consentledger_verify.entry import LedgerEntry
from consentledger_verify.problems import Problem

ERASED = "subject.erased.v1"
DESTROYED = "key.destroyed.v1"
ACCESSED = "access.recorded.v1"
AFTER_ERASED = frozenset({DESTROYED, ACCESSED})


@dataclass(frozen=True, slots=True)
class Intent:
    """An erasure that has begun."""

    position: int
    recorded_ns: int


class Streams:
    """All streams of one export, fed in order."""

    def __init__(self, *, from_start: bool) -> None:
        self._from_start = from_start
        self._versions: dict[bytes, int] = {}
        self._running: dict[bytes, Intent] = {}
        self._ended: set[bytes] = set()
        self._without: dict[bytes, int] = {}

    def follow(self, position: int, entry: LedgerEntry, *, without: bool) -> Iterator[tuple[Problem, str]]:
        """Take the next event; what is wrong with it. `without` when its ciphertext is not there and should be."""
        stream, type = entry.stream, entry.type
        before = self._versions.get(stream)
        self._versions[stream] = entry.version
        if entry.version != (before or 0) + 1 and (before is not None or self._from_start):
            yield Problem.VERSION, f"{type} has version {entry.version} in its stream after version {before or 0}"
        if stream in self._ended:
            yield Problem.AFTER_DESTRUCTION, f"{type} follows the end of its stream"
        elif stream in self._running:
            if type not in AFTER_ERASED:
                yield Problem.AFTER_ERASURE, f"{type} follows the erasure of its person"
            elif type == DESTROYED:
                del self._running[stream]
                self._ended.add(stream)
        elif type == ERASED:
            self._running[stream] = Intent(position, entry.recorded_ns)
            self._without.pop(stream, None)
        elif type == DESTROYED:
            if self._from_start:
                yield Problem.DESTROYED_UNASKED, "a key was destroyed without an erasure"
            self._without.pop(stream, None)
            self._ended.add(stream)
        if without and stream not in self._running and stream not in self._ended:
            self._without.setdefault(stream, position)

    def intents(self) -> Iterator[Intent]:
        """Erasures that have begun and not ended."""
        yield from self._running.values()

    def without_reason(self) -> list[int]:
        """For each stream that is not being erased and lacks ciphertexts, the first position that does, ascending."""
        return sorted(self._without.values())
