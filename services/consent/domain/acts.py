"""One act of a person about one purpose, and how two acts combine. Pure.

- Acts are ordered by effective time, never by arrival. `stronger` is commutative and associative, so any order of
  arrival gives the same result.
- Equal times resolve to the more protective act: objection, withdrawal, denial, grant.
- Two grants of equal time combine to what both allow: the earlier end, explicit only if both are, and the notice only
  if it is the same (an unknown notice counts as stale).
"""

from dataclasses import dataclass, replace
from enum import IntEnum


class Kind(IntEnum):
    """What was done; stored, so a number never changes. Higher is more protective."""

    GRANT = 1
    DENY = 2
    WITHDRAW = 3
    OBJECT = 4


@dataclass(frozen=True, slots=True)
class Act:
    """One act that may stand for a purpose. Times are microseconds since the epoch."""

    kind: Kind
    effective_us: int
    recorded_us: int
    position: int
    """Where it is recorded in the log."""
    version: int
    """Where it is recorded in its stream."""
    notice: str = ""
    """The notice version of a grant; empty: unknown."""
    explicit: bool = False
    expires_us: int | None = None
    expired: bool = False
    """True once the end of this grant is itself recorded."""
    refused_us: int | None = None
    """The effective time of the first refusal that competed with this act; for a refusal, None means its own."""

    @property
    def protective(self) -> bool:
        """Whether it refuses."""
        return self.kind is not Kind.GRANT

    @property
    def first_refused_us(self) -> int | None:
        """When the person first refused, as far as the acts combined here tell; None: never."""
        return self.effective_us if self.refused_us is None and self.protective else self.refused_us


def effective_time(kind: Kind, occurred_us: int | None, recorded_us: int) -> int:
    """When an act takes effect: when it is told to have happened, but never after it was recorded.

    An act without a told time takes effect when recorded. Since `recorded_at` strictly increases along the log and no
    effective time exceeds its own, such an act is later than every act before it, whatever the clocks say.
    """
    return recorded_us if occurred_us is None else min(occurred_us, recorded_us)


def stronger(one: Act | None, other: Act | None) -> Act | None:
    """The act that stands when both are known. It remembers the first refusal of both."""
    if one is None or other is None:
        return one or other
    winner = _winner(one, other)
    refused = [t for t in (one.first_refused_us, other.first_refused_us) if t is not None]
    first = min(refused) if refused else None
    return winner if first == winner.first_refused_us else replace(winner, refused_us=first)


def _winner(one: Act, other: Act) -> Act:
    if one.effective_us != other.effective_us:
        return one if one.effective_us > other.effective_us else other
    if one.kind is not other.kind:
        return one if one.kind > other.kind else other
    first = one if one.position <= other.position else other
    if first.kind is not Kind.GRANT:
        return first
    ends = [e for e in (one.expires_us, other.expires_us) if e is not None]
    return replace(
        first,
        notice=one.notice if one.notice == other.notice else "",
        explicit=one.explicit and other.explicit,
        expires_us=min(ends) if ends else None,
        expired=one.expired or other.expired,
    )
