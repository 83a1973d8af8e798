"""What goes over the wire between a log and a witness, as bytes (C2SP tlog-witness). Pure.

old <size of the tree that was cosigned last>
<base64 of a hash of the consistency proof>     0 to 63 lines
<empty line>
<checkpoint, a signed note>
"""

from collections.abc import Iterable
from dataclasses import dataclass

from consentledger.tlog.hashing import HASH_SIZE
from consentledger.tlog.note import Verified, VerifierKey, signature_lines
from consentledger.tlog.spelling import BadSpelling, read_base64, read_decimal, write_base64
from consentledger.tlog.tree import LARGEST

PATH = "/add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"
MOST_PROOF = 63
MOST_BODY = 512 * 1024


class BadSubmission(ValueError):
    """No body of add-checkpoint, or no size."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint that a log submits."""

    old: int
    """The size that the witness cosigned last, as far as the log knows; 0 for none."""
    proof: tuple[bytes, ...]
    """That the tree of `old` leaves begins the one submitted (RFC 9162, 2.1.4); 32 bytes each."""
    note: bytes
    """The checkpoint, signed."""

    def to_bytes(self) -> bytes:
        """The body of add-checkpoint."""
        return (
            "".join(f"{line}\n" for line in (f"old {self.old}", *map(write_base64, self.proof), "")).encode()
            + self.note
        )

    @classmethod
    def parse(cls, body: bytes) -> "Submission":
        """Back from `to_bytes`; the note is not looked into. Raises BadSubmission."""
        head, blank, note = body.partition(b"\n\n")
        try:
            first, *lines = head.decode("ascii").split("\n")
            proof = tuple(read_base64(line) for line in lines)
            old = read_decimal(first.removeprefix("old "), LARGEST)
        except (BadSpelling, UnicodeDecodeError):
            raise BadSubmission("old size or proof are not spelled so") from None
        if not blank or not first.startswith("old "):
            raise BadSubmission("no old size, or no empty line")
        if len(proof) > MOST_PROOF or any(len(one) != HASH_SIZE for one in proof):
            raise BadSubmission("at most 63 hashes of 32 bytes")
        return cls(old, proof, note)


def write_size(size: int) -> bytes:
    """The body of a conflict: what the witness cosigned last."""
    return f"{size}\n".encode()


def read_size(body: bytes) -> int:
    """Back from `write_size`. Raises BadSubmission."""
    try:
        text = body.decode("ascii")
        if not text.endswith("\n"):
            raise BadSubmission("no size")
        return read_decimal(text[:-1], LARGEST)
    except (BadSpelling, UnicodeDecodeError):
        raise BadSubmission("no size") from None


def lines_of(text: str, verified: Iterable[Verified]) -> bytes:
    """Signatures that hold, as the lines they came from; one for each key."""
    given = {one.key: _Given(one.key, one.value) for one in verified}
    return signature_lines(text, given.values())


@dataclass(frozen=True, slots=True)
class _Given:
    """A signer that has signed already."""

    verifier: VerifierKey
    signature: bytes

    def sign(self, text: str) -> bytes:
        return self.signature
