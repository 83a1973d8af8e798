"""Cosignatures: a witness, or the log, says when it saw a checkpoint as the newest (C2SP tlog-cosignature). Pure.

- Both signers here sign the text of a checkpoint only, at a time that is given, never read.
- A witness has checked consistency with all it cosigned before, or it must not sign; that check is not made here.
- One Ed25519 key signs for one cosigner only, since what it signs does not name it.
- Verifying is `open_note`, with the witness's key among the keys; the time is `cosigned_at`.

    lines = signature_lines(opened.text, [Cosigner("witness.example/w1", seed, now)])
"""

from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consentledger.tlog.checkpoint import Checkpoint, CheckpointError, parse_checkpoint
from consentledger.tlog.keys import SEED_SIZE, NoteError, VerifierKey
from consentledger.tlog.note import Verified
from consentledger.tlog.signatures import (
    COSIGNATURE,
    ED25519,
    LATEST,
    MLDSA44,
    AlgorithmMissing,
    cosignature_message,
    signed_at,
    subtree_message,
    with_time,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import mldsa


class Cosigner:
    """A cosigner of kind 0x04, Ed25519, at one moment. Raises NoteError for a bad name, seed or time."""

    def __init__(self, name: str, seed: bytes, time: int) -> None:
        """`seed` is 32 bytes, `time` seconds since 1970."""
        self._time = _checked(seed, time)
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey.of(name, COSIGNATURE, self._private.public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        """8 + 64 bytes. Raises NoteError if the text is no checkpoint."""
        try:
            return with_time(self._time, self._private.sign(cosignature_message(parse_checkpoint(text), self._time)))
        except CheckpointError:
            raise NoteError("only a checkpoint can be cosigned") from None


class MLDSA44Cosigner:
    """A cosigner of kind 0x06, ML-DSA-44, at one moment: a witness, or a log's second line. Raises NoteError for a bad
    name, seed or time, AlgorithmMissing where `cryptography` has no ML-DSA-44."""

    def __init__(self, name: str, seed: bytes, time: int) -> None:
        """`seed` is the 32 bytes of a FIPS 204 private key; `time` is seconds since 1970, or 0 to state none."""
        self._time = _checked(seed, time)
        self._private = _mldsa44(seed)
        self.verifier = VerifierKey.of(name, MLDSA44, self._private.public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        """8 + 2,420 bytes, other ones each time. Raises NoteError if the text is no checkpoint."""
        try:
            message = subtree_message(self.verifier.name, parse_checkpoint(text), self._time)
        except CheckpointError:
            raise NoteError("only a checkpoint can be cosigned") from None
        return with_time(self._time, self._private.sign(message))


def cosigned_at(signature: Verified) -> int | None:
    """When the cosigner says it signed, in seconds since 1970; None for a plain signature, 0 if it states no time."""
    return None if signature.key.type == ED25519 else signed_at(signature.value)


def covers(signature: Verified, checkpoint: Checkpoint) -> bool:
    """Whether the signature is of all of the checkpoint: one of kind 0x06 is not of extension lines, so whoever passes
    the note on can add some."""
    return signature.key.type != MLDSA44 or not checkpoint.extensions


def _checked(seed: bytes, time: int) -> int:
    if len(seed) != SEED_SIZE:
        raise NoteError("a seed is 32 bytes")
    if not 0 <= time <= LATEST:
        raise NoteError("a time is 0 to 2^63 - 1")
    return time


def _mldsa44(seed: bytes) -> "mldsa.MLDSA44PrivateKey":
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa

        return mldsa.MLDSA44PrivateKey.from_seed_bytes(seed)
    except (ImportError, UnsupportedAlgorithm):
        raise AlgorithmMissing("the installed cryptography has no ML-DSA-44") from None
