"""The classes of what may be wrong, and where it was found. Names are stable: programs match on them. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Check(StrEnum):
    """What is checked, in the order of the report."""

    FILE = "file"
    SIGNATURE = "signature"
    WITNESSES = "witnesses"
    TREE = "tree"
    POSITIONS = "positions"
    ENTRIES = "entries"
    STREAMS = "streams"
    TIMES = "times"
    ERASURE = "erasure"
    CIPHERTEXTS = "ciphertexts"
    PAYLOADS = "payloads"
    PINS = "pins"
    RECEIPTS = "receipts"


class Problem(StrEnum):
    """What is wrong. docs/verify.md says what each one means."""

    # The file cannot be read on: exit code 3.
    UNREADABLE = "UNREADABLE"
    LINE_TOO_LONG = "LINE_TOO_LONG"
    NOT_JSON = "NOT_JSON"
    DUPLICATE_KEY = "DUPLICATE_KEY"
    UNKNOWN_KEY = "UNKNOWN_KEY"
    MISSING_KEY = "MISSING_KEY"
    WRONG_TYPE = "WRONG_TYPE"
    NOT_CANONICAL = "NOT_CANONICAL"
    BAD_HEADER = "BAD_HEADER"
    TRUNCATED = "TRUNCATED"
    AFTER_THE_END = "AFTER_THE_END"
    # Something does not hold: exit code 1.
    FILE_CHANGED = "FILE_CHANGED"
    CHECKPOINT = "CHECKPOINT"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    SIGNATURE = "SIGNATURE"
    ORIGIN = "ORIGIN"
    QUORUM = "QUORUM"
    RANGE = "RANGE"
    ROOT = "ROOT"
    CONSISTENCY = "CONSISTENCY"
    POSITION = "POSITION"
    LEAF = "LEAF"
    TYPE = "TYPE"
    TENANT = "TENANT"
    REDACTED = "REDACTED"
    VERSION = "VERSION"
    TIME_ORDER = "TIME_ORDER"
    TIME_FUTURE = "TIME_FUTURE"
    AFTER_ERASURE = "AFTER_ERASURE"
    AFTER_DESTRUCTION = "AFTER_DESTRUCTION"
    DESTROYED_UNASKED = "DESTROYED_UNASKED"
    CIPHERTEXT_CHANGED = "CIPHERTEXT_CHANGED"
    CIPHERTEXT_MISSING = "CIPHERTEXT_MISSING"
    CIPHERTEXT_UNCALLED = "CIPHERTEXT_UNCALLED"
    CANNOT_OPEN = "CANNOT_OPEN"
    COMMITMENT = "COMMITMENT"
    PIN_SIGNATURE = "PIN_SIGNATURE"
    PIN_OTHER_LOG = "PIN_OTHER_LOG"
    PIN_ROOT = "PIN_ROOT"
    PIN_AHEAD = "PIN_AHEAD"
    PIN_DROPPED = "PIN_DROPPED"
    PIN_NOT_COVERED = "PIN_NOT_COVERED"
    RECEIPT_INVALID = "RECEIPT_INVALID"
    RECEIPT_BROKEN = "RECEIPT_BROKEN"
    RECEIPT_AHEAD = "RECEIPT_AHEAD"
    RECEIPT_NOT_COVERED = "RECEIPT_NOT_COVERED"


class Caution(StrEnum):
    """What a reader must know although it is no failure."""

    TRUST_FROM_FILE = "TRUST_FROM_FILE"
    INTENT_OVERDUE = "INTENT_OVERDUE"
    TYPE_UNKNOWN = "TYPE_UNKNOWN"
    CIPHERTEXT_UNDECIDED = "CIPHERTEXT_UNDECIDED"


_CHECKS: dict[Check, str] = {
    Check.FILE: "UNREADABLE LINE_TOO_LONG NOT_JSON DUPLICATE_KEY UNKNOWN_KEY MISSING_KEY WRONG_TYPE NOT_CANONICAL "
    "BAD_HEADER TRUNCATED AFTER_THE_END FILE_CHANGED",
    Check.SIGNATURE: "CHECKPOINT KEY_UNKNOWN SIGNATURE ORIGIN",
    Check.WITNESSES: "QUORUM",
    Check.TREE: "RANGE ROOT CONSISTENCY",
    Check.POSITIONS: "POSITION",
    Check.ENTRIES: "LEAF TYPE TENANT REDACTED",
    Check.STREAMS: "VERSION",
    Check.TIMES: "TIME_ORDER TIME_FUTURE",
    Check.ERASURE: "AFTER_ERASURE AFTER_DESTRUCTION DESTROYED_UNASKED",
    Check.CIPHERTEXTS: "CIPHERTEXT_CHANGED CIPHERTEXT_MISSING CIPHERTEXT_UNCALLED",
    Check.PAYLOADS: "CANNOT_OPEN COMMITMENT",
    Check.PINS: "PIN_SIGNATURE PIN_OTHER_LOG PIN_ROOT PIN_AHEAD PIN_DROPPED PIN_NOT_COVERED",
    Check.RECEIPTS: "RECEIPT_INVALID RECEIPT_BROKEN RECEIPT_AHEAD RECEIPT_NOT_COVERED",
}
CHECK_OF: dict[Problem, Check] = {Problem(name): check for check, names in _CHECKS.items() for name in names.split()}
"""Which check a problem belongs to; every problem to one."""


@dataclass(slots=True)
class Finding:
    """One class of problem: its first occurrence, and how many there were."""

    problem: Problem | Caution
    text: str
    """What was found there, in words; nothing of a leaf's content but its type."""
    first: int | None = None
    """The position; None where the problem has none."""
    last: int | None = None
    """The last position where it may be, when it cannot be told exactly; equal to `first` when it can."""
    line: int | None = None
    """Of the file, from 1."""
    count: int = 1


class Findings:
    """What was found, by class, in the order in which the classes turned up."""

    def __init__(self) -> None:
        self._found: dict[Problem | Caution, Finding] = {}

    def add(
        self,
        problem: Problem | Caution,
        text: str,
        first: int | None = None,
        *,
        last: int | None = None,
        line: int | None = None,
    ) -> None:
        """Note a problem at a position, between two, or at none."""
        found = self._found.get(problem)
        if found is None:
            self._found[problem] = Finding(problem, text, first, first if last is None else last, line)
        else:
            found.count += 1

    def get(self, problem: Problem | Caution) -> Finding | None:
        """What was found of one class."""
        return self._found.get(problem)

    def of(self, check: Check) -> list[Finding]:
        """The problems of one check."""
        return [f for f in self._found.values() if isinstance(f.problem, Problem) and CHECK_OF[f.problem] is check]

    @property
    def problems(self) -> list[Finding]:
        """All problems."""
        return [found for found in self._found.values() if isinstance(found.problem, Problem)]

    @property
    def cautions(self) -> list[Finding]:
        """All cautions."""
        return [found for found in self._found.values() if isinstance(found.problem, Caution)]

    def first_difference(self) -> Finding | None:
        """The problem nearest to the start of the log; one that is at an exact place before one that is not."""
        placed = [found for found in self.problems if found.first is not None]
        exact = [found for found in placed if found.first == found.last]
        return min(exact or placed, key=lambda found: found.first or 0, default=None)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found.values())
