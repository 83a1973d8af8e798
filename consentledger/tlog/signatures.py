"""The kinds of signature that a note may carry, each a byte of C2SP signed-note, and what exactly each one signs. Pure.

- 0x01, Ed25519: the text of the note.
- 0x04, cosignature/v1: a time and the text of a checkpoint, by Ed25519.
- 0x06, subtree/v1: the cosigner's name, a time, and a checkpoint's origin, size and root, by ML-DSA-44. It does not
  cover extension lines.

The latter two start with the time, eight bytes of seconds since 1970. Other kinds are not read: a key of theirs cannot
be configured, a line of theirs is one of an unknown key.
"""

from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from consentledger.tlog.checkpoint import Checkpoint, CheckpointError, parse_checkpoint

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import mldsa

ED25519 = 0x01
COSIGNATURE = 0x04
MLDSA44 = 0x06

PUBLIC_SIZES = {ED25519: 32, COSIGNATURE: 32, MLDSA44: 1312}
"""Bytes of a public key, by kind."""
LATEST = (1 << 63) - 1
"""The greatest time."""

_TIME_SIZE = 8
_LONGEST_NAME = 255


class AlgorithmMissing(RuntimeError):
    """The installed `cryptography` has no ML-DSA-44. No fault of the note: nothing is known about its signature."""


def cosignature_message(checkpoint: Checkpoint, time: int) -> bytes:
    """What a signature of kind 0x04 signs. `time` is seconds since 1970."""
    return f"cosignature/v1\ntime {time}\n{checkpoint.text()}".encode()


def subtree_message(name: str, checkpoint: Checkpoint, time: int) -> bytes:
    """What a signature of kind 0x06 signs. Raises CheckpointError if a name is too long for it, over 255 bytes."""
    names = [one.encode() for one in (name, checkpoint.origin)]
    if any(len(one) > _LONGEST_NAME for one in names):
        raise CheckpointError("a name is over 255 bytes")
    cosigner, origin = (len(one).to_bytes(1, "big") + one for one in names)
    numbers = [n.to_bytes(8, "big") for n in (time, 0, checkpoint.size)]
    return b"subtree/v1\n\0" + cosigner + numbers[0] + origin + numbers[1] + numbers[2] + checkpoint.root


def holds(kind: int, name: str, public: bytes, text: str, signature: bytes) -> bool:
    """Whether the signature is of that text by that key. Raises AlgorithmMissing."""
    if kind == ED25519:
        return _verifies(Ed25519PublicKey.from_public_bytes(public), signature, text.encode())
    time, signature = signed_at(signature), signature[_TIME_SIZE:]
    if time > LATEST:
        return False
    try:
        checkpoint = parse_checkpoint(text)
        if kind == COSIGNATURE:
            return _verifies(
                Ed25519PublicKey.from_public_bytes(public), signature, cosignature_message(checkpoint, time)
            )
        return _verifies(_mldsa44(public), signature, subtree_message(name, checkpoint, time))
    except CheckpointError:
        return False


def signed_at(signature: bytes) -> int:
    """The time in a signature of kind 0x04 or 0x06, in seconds since 1970; 0 in one that states none."""
    return int.from_bytes(signature[:_TIME_SIZE], "big")


def with_time(time: int, signature: bytes) -> bytes:
    """A signature of kind 0x04 or 0x06, of its time and its algorithm's bytes."""
    return time.to_bytes(_TIME_SIZE, "big") + signature


def _verifies(key: "Ed25519PublicKey | mldsa.MLDSA44PublicKey", signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _mldsa44(public: bytes) -> "mldsa.MLDSA44PublicKey":
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa

        return mldsa.MLDSA44PublicKey.from_public_bytes(public)
    except (ImportError, UnsupportedAlgorithm):
        raise AlgorithmMissing("the installed cryptography has no ML-DSA-44") from None
