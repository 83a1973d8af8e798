"""Sealing the personal payload of an event, so that it can be erased while every proof about it stays valid.

Formats on disk for ever; integers are big-endian:

    ciphertext  = 0x01 ‖ nonce (12 random bytes) ‖ AES-256-GCM(data key, nonce, SealedPayload, aad)
    commitment  = HMAC-SHA256(salt, uint64(len(payload)) ‖ payload ‖ aad)
    event aad   = "consentledger.v1.event\\0" ‖ uint8(len(tenant)) ‖ tenant ‖ stream (16 bytes) ‖ uint64(version)
                  ‖ uint8(len(type)) ‖ type

- The salt (32 random bytes) is inside the ciphertext and nowhere else. AES-GCM does not commit to its key: two keys can
  open one ciphertext to two payloads. The commitment in the leaf binds the one payload; without the salt, after
  erasure, it tells nothing about it.
- A nonce is random: at most 2^32 payloads a data key, far above what one person causes.
- Only the format byte 0x01 is opened. There is no negotiation.
"""

import hashlib
import hmac
import os
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError

from consentledger.v1.events_pb2 import SealedPayload

FORMAT = b"\x01"
NONCE_END = 13
EVENT_LABEL = b"consentledger.v1.event\0"
_UINT64 = struct.Struct(">Q")


class CannotOpen(Exception):
    """The ciphertext does not open to a payload that its commitment and `aad` vouch for: changed, or another's."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A payload, sealed, and what the leaf says about it."""

    ciphertext: bytes
    ciphertext_sha256: bytes
    commitment: bytes


class DataKey:
    """One person's 256-bit key. Cheap to keep; sealing takes a few microseconds."""

    __slots__ = ("_aead",)

    def __init__(self, raw: bytes) -> None:
        if len(raw) != 32:
            raise ValueError("a data key is 32 bytes")
        self._aead = AESGCM(raw)

    def seal(self, payload: bytes, aad: bytes) -> Sealed:
        """Seal `payload`, bound to `aad`. Never gives the same answer twice."""
        random = os.urandom(44)
        nonce, salt = random[:12], random[12:]
        inner = SealedPayload(salt=salt, payload=payload).SerializeToString()
        ciphertext = FORMAT + nonce + self._aead.encrypt(nonce, inner, aad)
        return Sealed(ciphertext, hashlib.sha256(ciphertext).digest(), commit(salt, payload, aad))

    def open(self, ciphertext: bytes, commitment: bytes, aad: bytes) -> bytes:
        """The payload. Raises CannotOpen."""
        if ciphertext[:1] != FORMAT or len(ciphertext) < NONCE_END:
            raise CannotOpen("not a ciphertext of this format")
        try:
            inner = self._aead.decrypt(ciphertext[1:NONCE_END], ciphertext[NONCE_END:], aad)
            sealed = SealedPayload.FromString(inner)
        except (InvalidTag, DecodeError):
            raise CannotOpen("the ciphertext was changed, or is another's") from None
        if len(sealed.salt) != 32 or not hmac.compare_digest(commit(sealed.salt, sealed.payload, aad), commitment):
            raise CannotOpen("the payload is not the one committed to")
        return sealed.payload


def commit(salt: bytes, payload: bytes, aad: bytes) -> bytes:
    """The commitment to a payload, 32 bytes; see the module for the format."""
    return hmac.digest(salt, _UINT64.pack(len(payload)) + payload + aad, "sha256")


def event_aad(tenant: str, stream: bytes, version: int, type: str) -> bytes:
    """What the payload of one event is bound to: its tenant, its place and its type."""
    name, kind = tenant.encode(), type.encode()
    if len(stream) != 16:
        raise ValueError("a stream is 16 bytes")
    return b"".join((EVENT_LABEL, bytes((len(name),)), name, stream, _UINT64.pack(version), bytes((len(kind),)), kind))
