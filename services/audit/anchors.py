"""Where checkpoints are taken so that others can tell of them: what an anchor is, and how it fails.

An anchor attests that it saw a checkpoint. Whoever holds its evidence needs no trust in us: history cannot be rewritten
behind that checkpoint without contradicting it. Implementations: witness_anchor, stamp_anchor, copy_anchor.
"""

from typing import Protocol

from consentledger.store.notary import Signed

WITNESS, STAMP, COPY = "witness", "tsa", "copy"
QUORUM = "quorum"
"""No anchor, but what the witnesses amount to: see `witnessed`."""


class AnchorUnavailable(Exception):
    """No answer, or one that says to come later. It will be asked again."""


class AnchorAhead(Exception):
    """It has seen a larger tree of the log: another replica was faster, or the log is not what it was."""

    def __init__(self, size: int) -> None:
        """`size` is that of the larger tree."""
        super().__init__(size)
        self.size = size


class AnchorRefused(Exception):
    """It does not attest, and would not if it were asked again. For a witness that may mean a forked log."""

    def __init__(self, why: str) -> None:
        """`why` is of a fixed list: it goes into the journal."""
        super().__init__(why)
        self.why = why


class Anchor(Protocol):
    """One place. Several logs, and several replicas of one, may use it."""

    @property
    def kind(self) -> str:
        """WITNESS, STAMP or COPY."""

    @property
    def name(self) -> str:
        """Which one of its kind; stable, since evidence is kept under it."""

    @property
    def every_seconds(self) -> int:
        """At most one attestation in so many seconds; 0 for each checkpoint that is taken to anchors at all."""

    async def submit(self, signed: Signed, before: int) -> bytes:
        """Evidence that the anchor saw this checkpoint. `before` is the size it attested last, 0 if not known.

        Raises AnchorUnavailable, AnchorAhead or AnchorRefused. Asking twice is safe.
        """

    def verify(self, note: bytes, evidence: bytes) -> int | None:
        """When the anchor saw the checkpoint, in seconds since 1970, or None if it states no time.

        Needs no network. Raises AnchorRefused unless the evidence holds.
        """
