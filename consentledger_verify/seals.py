"""Ciphertexts: that they are the ones which the leaves name and, with a person's key, hold what was committed to.

    ciphertext  = 0x01 ‖ nonce (12 bytes) ‖ AES-256-GCM(data key, nonce, SealedPayload, aad)
    commitment  = HMAC-SHA256(salt, uint64(len(payload)) ‖ payload ‖ aad)
    aad         = "consentledger.v1.event" ‖ 0x00 ‖ uint8(len(tenant)) ‖ tenant ‖ stream ‖ uint64(version)
                  ‖ uint8(len(type)) ‖ type

A cipher that opens says little: AES-GCM is not bound to one key. The commitment in the leaf is what binds the payload.
"""

import hmac
import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consentledger_verify.entry import LedgerEntry
from consentledger_verify.problems import Problem
from consentledger_verify.wire import LEN, BadMessage, fields

_FORMAT = b"\x01"
_NONCE_END = 13
_LABEL = b"consentledger.v1.event\0"


class BadKeys(ValueError):
    """Not a file of data keys."""


def read_keys(text: bytes) -> dict[bytes, bytes]:
    """Data keys by stream: a JSON object of UUIDs in hexadecimal to 32 bytes in base64. Raises BadKeys."""
    try:
        found = json.loads(text)
        keys = {bytes.fromhex(name.replace("-", "")): b64decode(key, validate=True) for name, key in found.items()}
    except (AttributeError, TypeError, ValueError, RecursionError):
        raise BadKeys("not a JSON object of UUIDs to keys in base64") from None
    if any(len(stream) != 16 or len(key) != 32 for stream, key in keys.items()):
        raise BadKeys("a stream is 16 bytes, a key 32")
    return keys


class Seals:
    """Checks the ciphertext of each event; `keys` are data keys by stream."""

    def __init__(self, keys: Mapping[bytes, bytes]) -> None:
        self._keys = {stream: AESGCM(key) for stream, key in keys.items()}
        self.opened = 0
        """Payloads that are the ones committed to."""

    def check(self, entry: LedgerEntry, ciphertext: bytes) -> Iterator[tuple[Problem, str]]:
        """What is wrong with the ciphertext of an event."""
        if not entry.ciphertext_sha256:
            yield Problem.CIPHERTEXT_UNCALLED, f"a ciphertext beside {entry.type}, whose leaf names none"
        elif sha256(ciphertext).digest() != entry.ciphertext_sha256:
            yield Problem.CIPHERTEXT_CHANGED, f"the ciphertext of {entry.type} is not the one that its leaf names"
        elif (key := self._keys.get(entry.stream)) is not None:
            problem = _open(key, entry, ciphertext)
            if problem is None:
                self.opened += 1
            else:
                yield problem


def _open(key: AESGCM, entry: LedgerEntry, ciphertext: bytes) -> tuple[Problem, str] | None:
    aad = _aad(entry)
    try:
        if ciphertext[:1] != _FORMAT:
            raise BadMessage
        inner = key.decrypt(ciphertext[1:_NONCE_END], ciphertext[_NONCE_END:], aad)
        sealed = fields(inner, {1: LEN, 2: LEN})
    except (InvalidTag, ValueError):
        return Problem.CANNOT_OPEN, f"the ciphertext of {entry.type} does not open with the key given"
    salt, payload = cast(bytes, sealed.get(1, b"")), cast(bytes, sealed.get(2, b""))
    made = hmac.digest(salt, len(payload).to_bytes(8, "big") + payload + aad, "sha256")
    if len(salt) != 32 or not hmac.compare_digest(made, entry.commitment):
        return Problem.COMMITMENT, f"the payload of {entry.type} is not the one that its leaf commits to"
    return None


def _aad(entry: LedgerEntry) -> bytes:
    tenant, type, version = entry.tenant.encode(), entry.type.encode(), entry.version.to_bytes(8, "big")
    return b"".join((_LABEL, bytes([len(tenant)]), tenant, entry.stream, version, bytes([len(type)]), type))
