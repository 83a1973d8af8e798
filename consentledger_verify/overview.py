"""What was asked of one verification, and all that it found. Data only; `report` shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from consentledger.tlog.checkpoint import Checkpoint
from consentledger_verify.anchors import Pin, Receipt
from consentledger_verify.lines import Header
from consentledger_verify.problems import CHECK_OF, Check, Findings, Problem
from consentledger_verify.trust import Trust

HOUR_NS = 3_600_000_000_000


class Standing:
    """How a check came out."""

    HOLDS = "holds"
    FAILS = "does not hold"
    OPEN = "not checked"


@dataclass(frozen=True, slots=True)
class Asked:
    """Against what to verify. Times are nanoseconds."""

    now_ns: int
    """The time now, since 1970; nothing may be recorded later, unless witnesses say a better one."""
    trust: Trust | None = None
    """None: the keys in the file, and a caution."""
    pins: tuple[Pin, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    keys: Mapping[bytes, bytes] = field(default_factory=dict)
    """Data keys by stream."""
    skew_ns: int = 300 * 1_000_000_000
    """How far clocks may be apart."""
    erasure_ns: int = 720 * HOUR_NS
    """How long an erasure may run before it is spoken of."""


@dataclass(slots=True)
class Overview:
    """What became of it."""

    asked: Asked
    found: Findings = field(default_factory=Findings)
    header: Header | None = None
    trust: Trust | None = None
    """Whose keys were believed in the end."""
    checkpoint: Checkpoint | None = None
    """What the export is held against, believed or not."""
    signers: tuple[str, ...] = ()
    """Names of the log's keys that have signed it."""
    witnesses: Mapping[str, int] = field(default_factory=dict)
    """Witnesses that have cosigned it, with their times in seconds since 1970."""
    events: int = 0
    redacted: int = 0
    opened: int = 0
    anchored: int = 0
    """Checkpoints from before, those in receipts included, under which the export stands."""
    honoured: int = 0
    """Receipts whose leaf is where it must be."""
    finished: bool = False
    """False when the file could not be read to its end."""
    open: set[Check] = field(default_factory=set)
    """Checks that could not be made."""

    def standing(self, check: Check) -> str:
        """How a check came out."""
        if self.found.of(check):
            return Standing.FAILS
        return Standing.OPEN if not self.finished or check in self.open | self._not_asked() else Standing.HOLDS

    def _not_asked(self) -> set[Check]:
        """Checks that had nothing to be made of."""
        asked, sealed = self.asked, self.header is not None and self.header.ciphertexts
        made = {
            Check.CIPHERTEXTS: sealed,
            Check.PAYLOADS: sealed and asked.keys,
            Check.PINS: asked.pins or asked.receipts,
            Check.RECEIPTS: asked.receipts,
        }
        return {check for check, there in made.items() if not there}

    @property
    def part(self) -> bool:
        """Whether there is more in the checkpoint than in the export."""
        if self.header is None or self.checkpoint is None:
            return False
        return self.header.last - self.header.first + 1 < self.checkpoint.size

    @property
    def code(self) -> int:
        """The exit code: 0 all holds, 1 something does not, 3 the file cannot be read."""
        if any(found.problem in UNREADABLE for found in self.found.problems):
            return 3
        return 1 if self.found.problems else 0


UNREADABLE = frozenset(problem for problem in CHECK_OF if CHECK_OF[problem] is Check.FILE) - {Problem.FILE_CHANGED}
"""Problems that end the reading."""
