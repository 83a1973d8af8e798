"""What can be wrong with a log, and a list of what was found. Pure. Nothing personal is ever in it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """The classes of differences. The names are stable: alarms are made of them."""

    POSITION_GAP = "position-gap"
    """A position that has no row."""
    BEYOND_HEAD = "beyond-head"
    """A row behind the head."""
    LEAF_UNREADABLE = "leaf-unreadable"
    """Not a ledger entry of a format that is known here."""
    COLUMN_DIFFERS = "column-differs"
    """A column is not what the leaf says; `detail` names it."""
    TIME_NOT_INCREASING = "time-not-increasing"
    LEAF_DIFFERS = "leaf-differs"
    """The leaf's hash is not the one that the tree holds."""
    TILE_DIFFERS = "tile-differs"
    """A tile above the leaves, one that is missing, or one too many."""
    ROOT_DIFFERS = "root-differs"
    """Root, edge or time of the head."""
    BEHIND_GUARD = "behind-guard"
    """More was signed than is there."""
    GUARD_DIFFERS = "guard-differs"
    """Another tree of the guard's size was signed, or the guard knows nothing of this log."""
    NAME_DIFFERS = "name-differs"
    """The newest name of the log is not that of its epoch."""
    CIPHERTEXT_DIFFERS = "ciphertext-differs"
    """Not the one that the leaf names, or one where the leaf names none."""
    CIPHERTEXT_MISSING = "ciphertext-missing"
    """Gone, and the person is not erased."""
    CIPHERTEXT_LEFT = "ciphertext-left"
    """Still there, and the person's key is destroyed."""
    STREAM_GAP = "stream-gap"
    """The versions of a stream are not 1, 2, 3 …"""
    STREAM_ORDER = "stream-order"
    """A later version stands before an earlier one."""
    STREAM_UNFOLDABLE = "stream-unfoldable"
    """The events of a stream do not follow from each other, or are not known here."""
    ANSWER_OUTSIDE = "answer-outside"
    """A remembered answer that names positions which are not there."""
    KEY_MISSING = "key-missing"
    """A person with sealed events, not erased, has no key."""
    KEY_LEFT = "key-left"
    """A key that is destroyed, says the log, is in the key store: an older copy was put in its place."""
    PROJECTION_DIFFERS = "projection-differs"
    """A table is not what the events make of it; `detail` names it."""
    PROGRESS_AHEAD = "progress-ahead"
    """A mark, a position or a stream is further than the log it follows; `detail` names it."""
    CARRIED_DIFFERS = "carried-differs"
    """A message in NATS is not the log's at the same position."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference."""

    kind: Kind
    position: int
    """Where in the log; 0 where no position can be named."""
    detail: str = ""


@dataclass(slots=True)
class Findings:
    """What was found: every class counted, and its first difference kept."""

    counts: dict[Kind, int] = field(default_factory=dict)
    firsts: dict[Kind, Finding] = field(default_factory=dict)
    heard: Callable[[Finding], None] = lambda finding: None
    """Called with each."""

    def add(self, kind: Kind, position: int, detail: str = "") -> None:
        """Take one in."""
        finding = Finding(kind, position, detail)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.firsts.setdefault(kind, finding)
        self.heard(finding)

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.counts

    @property
    def first(self) -> Finding | None:
        """The one that stands first in the log."""
        return min(self.firsts.values(), key=lambda f: f.position or 1 << 63, default=None)
