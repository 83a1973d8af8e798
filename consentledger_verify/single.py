"""One receipt, or two checkpoints and the proof between them, without an export."""

from dataclasses import dataclass

from consentledger.tlog.checkpoint import Checkpoint
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.prooffile import TlogProof
from consentledger.tlog.proofs import ProofError, verify_consistency
from consentledger.tlog.spelling import BadSpelling, read_base64
from consentledger_verify.problems import Finding, Problem
from consentledger_verify.trust import Distrusted, Trust


@dataclass(frozen=True, slots=True)
class Single:
    """What became of it."""

    problem: Finding | None
    """None if it holds."""
    checkpoint: Checkpoint | None = None
    """The tree head that it holds under."""
    witnesses: int = 0


def verify_receipt(proof: TlogProof, leaf: bytes, trust: Trust) -> Single:
    """Whether a leaf is in a log, by its proof file. The policy's quorum is asked for."""
    position = proof.index + 1
    try:
        result = trust.open(proof.checkpoint)
        proof.verify(leaf_hash(leaf), result.checkpoint)
    except Distrusted as reason:
        return Single(Finding(reason.problem, reason.text, position, position), reason.checkpoint)
    except ProofError as reason:
        return Single(Finding(Problem.RECEIPT_INVALID, str(reason), position, position), result.checkpoint)
    if not result.quorum:
        text = f"{len(result.witnesses)} witnesses have cosigned; the policy asks for more"
        return Single(Finding(Problem.QUORUM, text), result.checkpoint, len(result.witnesses))
    return Single(None, result.checkpoint, len(result.witnesses))


def verify_consistent(old: bytes, new: bytes, proof: bytes, trust: Trust) -> Single:
    """Whether a log only grew between two signed checkpoints. `proof`: a hash in base64 on each line."""
    try:
        before, result = trust.open(old).checkpoint, trust.open(new)
    except Distrusted as reason:
        return Single(Finding(reason.problem, reason.text), reason.checkpoint)
    after = result.checkpoint
    if before.origin != after.origin:
        return Single(Finding(Problem.PIN_OTHER_LOG, "the checkpoints are of two logs"), after)
    try:
        hashes = [read_base64(line) for line in proof.decode("ascii").splitlines()]
        verify_consistency(before.size, after.size, before.root, after.root, hashes)
    except (BadSpelling, UnicodeDecodeError):
        return Single(Finding(Problem.CONSISTENCY, "the proof is not a hash in base64 on each line"), after)
    except ProofError as reason:
        return Single(Finding(Problem.CONSISTENCY, str(reason), before.size + 1, after.size), after)
    return Single(None, after, len(result.witnesses))
