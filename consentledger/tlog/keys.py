"""The keys of notes: who signs, under which name, by which algorithm (C2SP signed-note, "Verifier keys"). Pure.

A key is known by its name and a four-byte id, which is a short hash and no proof: keys are configured, never taken from
where the note came from.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consentledger.tlog.signatures import ED25519, PUBLIC_SIZES, holds
from consentledger.tlog.spelling import BadSpelling, is_line, read_base64, write_base64

KEY_ID_SIZE = 4
SEED_SIZE = 32
_KEY_ID = re.compile(r"[0-9a-f]{8}")


class NoteError(ValueError):
    """No such note or key, or a signature that does not hold."""


def is_name(text: str) -> bool:
    """Whether a key may have this name: a line without Unicode spaces and without `+`."""
    return is_line(text) and "+" not in text and not any(c.isspace() for c in text)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key and its name. Raises NoteError unless the parts belong together."""

    name: str
    """Best a URL without scheme; for a log, the origin of its checkpoints."""
    key_id: bytes
    """4 bytes, derived from the rest: see `of`."""
    type: int
    """The kind of its signatures: ED25519, COSIGNATURE or MLDSA44 of `signatures`."""
    public: bytes
    """32 bytes, or 1,312 of ML-DSA-44."""

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise NoteError("not the name of a key")
        if len(self.public) != PUBLIC_SIZES.get(self.type):
            raise NoteError("not a key of a kind that is read here")
        if self.key_id != _key_id(self.name, self.type, self.public):
            raise NoteError("the id of the key is another")

    @classmethod
    def of(cls, name: str, type: int, public: bytes) -> "VerifierKey":
        """The key, its id derived. Raises NoteError."""
        return cls(name, _key_id(name, type, public), type, public)

    @classmethod
    def parse(cls, vkey: str) -> "VerifierKey":
        """Back from `vkey`. Raises NoteError."""
        name, _, rest = vkey.partition("+")
        key_id, _, material = rest.partition("+")
        try:
            kind_and_public = read_base64(material)
        except BadSpelling:
            raise NoteError("not a verifier key") from None
        if not _KEY_ID.fullmatch(key_id) or not kind_and_public:
            raise NoteError("not a verifier key")
        return cls(name, bytes.fromhex(key_id), kind_and_public[0], kind_and_public[1:])

    def vkey(self) -> str:
        """The key as one word, to configure verifiers with: name, id and material, joined by `+`."""
        return f"{self.name}+{self.key_id.hex()}+{write_base64(bytes([self.type]) + self.public)}"

    def holds(self, text: str, signature: bytes) -> bool:
        """Whether the signature, without key id, is this key's of that text. Raises AlgorithmMissing."""
        return holds(self.type, self.name, self.public, text, signature)


class Signer(Protocol):
    """What signs notes; the private key may lie elsewhere."""

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""

    def sign(self, text: str) -> bytes:
        """The signature of a note's text, without key id, in the form that `verifier.holds` checks."""


class Ed25519Signer:
    """Signs any text with a key of kind 0x01. Raises NoteError for a bad name or seed."""

    def __init__(self, name: str, seed: bytes) -> None:
        """`seed` is the 32 bytes of an RFC 8032 private key."""
        if len(seed) != SEED_SIZE:
            raise NoteError("a seed is 32 bytes")
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey.of(name, ED25519, self._private.public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        """64 bytes."""
        return self._private.sign(text.encode())


def _key_id(name: str, type: int, public: bytes) -> bytes:
    """SHA-256(name ‖ 0x0A ‖ type ‖ public key), its first four bytes."""
    try:
        named = name.encode() + b"\n" + bytes([type])
    except ValueError:
        raise NoteError("not the name or the kind of a key") from None
    return sha256(named + public).digest()[:KEY_ID_SIZE]
