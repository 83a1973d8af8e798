"""Which checkpoints witnesses have cosigned, as the policy counts them.

- A checkpoint is witnessed when the policy's quorum has cosigned it, and at least one witness. What made it so is kept
  as one more attestation, so that nothing has to be put together again when it is asked for.
- What was kept is verified again each time: by the policy as it is now, which may not be the one of then.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consentledger.store.anchored import Anchored, of_kind, record
from consentledger.store.signedlog import SignedLog
from consentledger.tlog.keys import VerifierKey
from consentledger.tlog.note import NoteError, open_note
from consentledger.tlog.policy import Policy
from consentledger.tlog.signatures import AlgorithmMissing
from services.audit.anchors import QUORUM, WITNESS

_MOST_WITNESSES = 256


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A checkpoint with its cosignatures."""

    size: int
    note: bytes
    """Signed by the log only."""
    lines: bytes
    """The cosignatures, as signature lines."""


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Those of a policy; without one nothing is witnessed."""

    policy: Policy | None = None

    async def newest(self, log: SignedLog) -> Witnessed | None:
        """The newest witnessed checkpoint."""
        for kept in await of_kind(log.store, log.notary.origin, QUORUM, 1):
            found = Witnessed(kept.size, kept.note, kept.evidence)
            if self._enough(found, log):
                return found
        return None

    async def of(self, log: SignedLog, size: int) -> bytes:
        """The signature lines that witnesses of the policy gave for the tree of that size, enough or not."""
        found = await self._given(log, size)
        return found.lines if found else b""

    async def settle(self, log: SignedLog, size: int, now_us: int) -> None:
        """Keep the tree of that size as witnessed, if it is."""
        found = await self._given(log, size)
        if found and self._enough(found, log):
            await record(log.store, log.notary.origin, [Anchored(size, QUORUM, "", found.note, found.lines, now_us)])

    async def _given(self, log: SignedLog, size: int) -> Witnessed | None:
        if self.policy is None:
            return None
        keys = [witness.key for witness in self.policy.witnesses]
        kept = await of_kind(log.store, log.notary.origin, WITNESS, _MOST_WITNESSES, least=size, most=size)
        lines = [one.evidence for one in kept if _holds(one, keys)]
        return Witnessed(size, kept[0].note, b"".join(lines)) if lines else None

    def _enough(self, found: Witnessed, log: SignedLog) -> bool:
        if self.policy is None:
            return False
        own = [VerifierKey.parse(vkey) for vkey in log.notary.vkeys]
        try:
            result = self.policy.check(found.note + found.lines, own)
        except (ValueError, AlgorithmMissing):
            return False
        return result.accepted and bool(result.witnesses) and result.checkpoint.size == found.size


def _holds(one: Anchored, keys: Sequence[VerifierKey]) -> bool:
    """Whether it is a cosignature by one of these keys: others, of an older policy, are left out."""
    try:
        open_note(one.note + one.evidence, keys)
    except (NoteError, AlgorithmMissing):
        return False
    return True
