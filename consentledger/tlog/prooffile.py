"""A proof as a file: an entry's index, its path to the root, and the signed checkpoint (C2SP tlog-proof). Pure.

It holds all that a verifier needs besides the leaf and the keys it trusts, so it can be kept with a receipt. Its
extension is `.tlog-proof`. `extra` is signed by nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consentledger.tlog.checkpoint import Checkpoint, parse_checkpoint
from consentledger.tlog.cosignature import covers
from consentledger.tlog.hashing import HASH_SIZE
from consentledger.tlog.note import NoteError, VerifierKey, open_note
from consentledger.tlog.proofs import verify_inclusion
from consentledger.tlog.spelling import BadSpelling, read_base64, read_decimal, write_base64
from consentledger.tlog.tree import LARGEST

MAX_SIZE = 2_000_000
_HEADER = "c2sp.org/tlog-proof@v1"
_LONGEST_PATH = 63


class ProofFileError(ValueError):
    """No proof file has these bytes or these parts."""


@dataclass(frozen=True, slots=True)
class TlogProof:
    """What a proof file holds, nothing of it verified. Raises ProofFileError for parts that none can hold."""

    index: int
    """Of the entry, from 0."""
    hashes: tuple[bytes, ...]
    """The inclusion proof, from the leaf's sibling up; 32 bytes each, at most 63."""
    checkpoint: bytes
    """The signed note, verbatim."""
    extra: bytes | None = None
    """Whatever the application adds, not empty."""

    def __post_init__(self) -> None:
        if not 0 <= self.index < LARGEST:
            raise ProofFileError("the index is 0 to 2^63 - 2")
        if len(self.hashes) > _LONGEST_PATH or any(len(one) != HASH_SIZE for one in self.hashes):
            raise ProofFileError("a proof is at most 63 hashes of 32 bytes")
        if not self.checkpoint or self.extra == b"":
            raise ProofFileError("the checkpoint is missing or extra data is empty")

    def to_bytes(self) -> bytes:
        """The file."""
        extra = [] if self.extra is None else [f"extra {write_base64(self.extra)}"]
        lines = [_HEADER, *extra, f"index {self.index}", *map(write_base64, self.hashes), ""]
        return "".join(line + "\n" for line in lines).encode() + self.checkpoint

    def verify(self, leaf_hash: bytes, checkpoint: Checkpoint) -> None:
        """Returns if the leaf is in that tree, at the index. The checkpoint is the file's own, opened by `open_note` or
        a policy. Raises ProofError."""
        verify_inclusion(self.index, checkpoint.size, leaf_hash, self.hashes, checkpoint.root)


def parse_proof(data: bytes) -> TlogProof:
    """Back from `TlogProof.to_bytes`. Raises ProofFileError."""
    if len(data) > MAX_SIZE:
        raise ProofFileError("a proof file is at most 2,000,000 bytes")
    head, _, checkpoint = data.partition(b"\n\n")
    try:
        header, *lines = head.decode("ascii").split("\n")
        extra = read_base64(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else None
        if header != _HEADER or not lines or not lines[0].startswith("index "):
            raise ProofFileError("not a proof file")
        index = read_decimal(lines[0][6:], LARGEST)
        return TlogProof(index, tuple(read_base64(line) for line in lines[1:]), checkpoint, extra)
    except (BadSpelling, UnicodeDecodeError):
        raise ProofFileError("not spelled as a proof file") from None


def verify_proof(data: bytes, leaf_hash: bytes, keys: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint under which the leaf was logged.

    `keys` are those trusted to sign for the log; one whose name is the checkpoint's origin must have signed all of it,
    so that a witness alone proves nothing. A rule about witnesses is `Policy.verify`. Raises ProofFileError, NoteError,
    CheckpointError or ProofError, all of them ValueError.
    """
    proof = parse_proof(data)
    opened = open_note(proof.checkpoint, keys)
    checkpoint = parse_checkpoint(opened.text)
    if not any(one.key.name == checkpoint.origin and covers(one, checkpoint) for one in opened.verified):
        raise NoteError("the log has not signed")
    proof.verify(leaf_hash, checkpoint)
    return checkpoint
