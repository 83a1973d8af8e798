"""Bytes of any length, sealed to one X25519 key in pieces, so that neither side needs all of it at once.

The format; integers are big-endian:

    parcel  = magic ‖ wrapped ‖ piece 0 ‖ piece 1 ‖ …
    magic   = "consentledger-parcel-v1\\n"
    wrapped = HPKE base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (RFC 9180): encapsulated key
              (32 bytes) ‖ ciphertext (48 bytes) of a fresh 32-byte file key; info is the magic, associated data empty
    piece n = AES-256-GCM(file key, nonce = uint88(n) ‖ uint8(1 if it is the last, else 0), up to 1 MiB)

- Every piece but the last holds exactly 1 MiB; the last holds what is left, and is always there. So a piece changed,
  moved, doubled or left out, and an end cut off, are found.
- Base mode says nothing of who sealed it: anyone who has the public key can. What is inside must prove itself.
"""

import os
from collections.abc import Iterator
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

MAGIC = b"consentledger-parcel-v1\n"
PIECE = 1 << 20
"""Bytes of content in a piece."""
_TAG = 16
_WRAPPED = 32 + 32 + _TAG
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class NotAKey(ValueError):
    """Nothing can be sealed to these bytes."""


class CannotUnpack(Exception):
    """Not a parcel, not for this key, changed, or cut off."""


class Parcel:
    """Seals what is given to it; nothing is kept but the piece that is not full yet."""

    def __init__(self, recipient: bytes) -> None:
        """`recipient` is the raw public key. Raises NotAKey."""
        key = os.urandom(32)
        try:
            wrapped = _SUITE.encrypt(key, X25519PublicKey.from_public_bytes(recipient), MAGIC)
        except ValueError:  # of another length, or a point of small order
            raise NotAKey("not an X25519 public key") from None
        self.head = MAGIC + wrapped
        """Comes first."""
        self._aead = AESGCM(key)
        self._number = 0
        self._rest = bytearray()

    def seal(self, data: bytes) -> Iterator[bytes]:
        """The pieces that are complete with `data`; must be exhausted."""
        self._rest += data
        while len(self._rest) > PIECE:  # a full piece may still be the last
            piece = self._sealed(self._rest[:PIECE], last=False)
            del self._rest[:PIECE]
            yield piece

    def end(self) -> bytes:
        """The last piece."""
        return self._sealed(self._rest, last=True)

    def _sealed(self, content: bytearray, *, last: bool) -> bytes:
        nonce = _nonce(self._number, last=last)
        self._number += 1
        return self._aead.encrypt(nonce, content, None)


def unpack(source: IO[bytes], key: X25519PrivateKey) -> Iterator[bytes]:
    """The content, piece by piece. Raises CannotUnpack: what came before must be thrown away then."""
    magic, wrapped = source.read(len(MAGIC)), source.read(_WRAPPED)
    if magic != MAGIC:
        raise CannotUnpack("not a parcel")
    try:
        aead = AESGCM(_SUITE.decrypt(wrapped, key, MAGIC))
    except (InvalidTag, ValueError):
        raise CannotUnpack("not for this key, or changed") from None
    number, piece = 0, source.read(PIECE + _TAG)
    while True:
        following = source.read(PIECE + _TAG)
        try:
            content = aead.decrypt(_nonce(number, last=not following), piece, None)
        except (InvalidTag, ValueError):
            raise CannotUnpack("changed, or cut off") from None
        yield content
        if not following:
            return
        number, piece = number + 1, following


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes((last,))
