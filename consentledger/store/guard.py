"""The checkpoint guard: the largest tree ever signed, kept outside the event database. No SQL, no files here.

A database can be put back to an older state; what was signed cannot be taken back. So every signature is preceded by a
durable step forward here, from a tree that the signer has shown its own to continue: compare and set, never "the
larger wins", or a fork would overtake it. A log that is behind its guard is not written any more and not signed
(FiloSottile/sunlight calls it the lock backend).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from consentledger.store.ledger import NotAsSigned, StoreUnavailable


class GuardUnavailable(StoreUnavailable):
    """The guard cannot be read or moved. Nothing is signed meanwhile."""


class BehindGuard(NotAsSigned):
    """The log is not the one that was signed: shorter, or another."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """One tree."""

    size: int
    root: bytes
    """32 bytes."""


CLOSED = Guarded((1 << 63) - 1, bytes(32))
"""What is kept for a log that goes on under a new name: no database is as far, so none goes on under the old one."""


class Guard(ABC):
    """Keeps one `Guarded` for each log. Several processes may use one."""

    @abstractmethod
    async def read(self, origin: str) -> Guarded | None:
        """What is kept for the log of that name. GuardUnavailable when it cannot be known."""

    @abstractmethod
    async def move(self, origin: str, expected: Guarded | None, to: Guarded) -> Guarded | None:
        """Compare and set: keep `to` if what is kept is `expected`. Returns what is kept afterwards.

        When that is `to`, it is durable. When it is anything else, nothing was written, and the caller must find out
        whether its log is a continuation of that. GuardUnavailable when it may or may not have moved: call again.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release everything. Never raises."""

    async def advance(self, origin: str, to: Guarded) -> Guarded:
        """Keep `to` unless something larger is kept: for what needs no proof, the beginning and the end of a name.

        BehindGuard if another root is kept for the same size.
        """
        kept = await self.read(origin)
        while kept is None or kept.size <= to.size:
            if kept is not None and kept.size == to.size and kept.root != to.root:
                raise BehindGuard("another tree of this size was signed before: the log has forked")
            after = await self.move(origin, kept, to)
            if after == to:
                return to
            kept = after
        return kept
