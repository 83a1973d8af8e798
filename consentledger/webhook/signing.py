"""Keys and signatures of Standard Webhooks 1.0. Pure.

- Signed is `id.timestamp.body`. Neither id nor timestamp can hold a full stop, or one message could pass for another.
- The id stays over all attempts; the timestamp, in seconds, is the attempt's.
- A message carries as many signatures as there are keys: while a secret is being replaced, the old one and the new.
- `v1` is HMAC-SHA256 under a secret that both sides know, `v1a` is Ed25519 (RFC 8032). Others are passed over.

>>> signing.headers([secret], "msg_1", 1_700_000_000, b"{}")
{"webhook-id": "msg_1", "webhook-timestamp": "1700000000", "webhook-signature": "v1,..."}
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TOLERANCE_S = 300
"""How far an attempt's timestamp may be from the receiver's clock."""
SHORTEST_SECRET, LONGEST_SECRET = 24, 64
"""Of a shared secret that is made, in bytes."""
_SHORTEST_READ = 23
"""The standard's own tests hold a secret of 23 bytes that must be read."""
_SHARED, _PRIVATE, _PUBLIC = "whsec_", "whsk_", "whpk_"
_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_MOST_SIGNATURES = 20


class BadKey(ValueError):
    """A text that is no key. The message does not repeat it."""


class NotAuthentic(Exception):
    """A message that must not be believed: a header is missing or malformed, its time is off, no signature matches."""


class Signer(Protocol):
    """What can sign."""

    def sign(self, content: bytes) -> str:
        """One signature as the header holds it: `v1,...`."""


class Verifier(Protocol):
    """What can verify."""

    @property
    def version(self) -> str:
        """Of the signatures that it can verify."""

    def matches(self, content: bytes, signature: bytes) -> bool:
        """Whether this signature is of this content. In constant time where that matters."""


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """A secret that sender and receiver know: `whsec_` and base64 of 24 to 64 bytes."""

    key: bytes = field(repr=False)
    version: str = field(default="v1", init=False)

    def __post_init__(self) -> None:
        if not _SHORTEST_READ <= len(self.key) <= LONGEST_SECRET:
            raise BadKey(f"a shared secret is {SHORTEST_SECRET} to {LONGEST_SECRET} bytes")

    @classmethod
    def read(cls, text: str) -> "SharedSecret":
        """From its text; the prefix and the padding may be absent. Raises BadKey."""
        return cls(_decode(text, _SHARED))

    def text(self) -> str:
        """As the receiver is given it. A secret."""
        return _SHARED + _encode(self.key)

    def sign(self, content: bytes) -> str:
        """See `Signer`."""
        return f"{self.version},{_encode(hmac.digest(self.key, content, 'sha256'))}"

    def matches(self, content: bytes, signature: bytes) -> bool:
        """See `Verifier`."""
        return hmac.compare_digest(hmac.digest(self.key, content, "sha256"), signature)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key: `whpk_` and base64 of 32 bytes."""

    key: bytes
    version: str = field(default="v1a", init=False)

    def __post_init__(self) -> None:
        if len(self.key) != 32:
            raise BadKey("a public key is 32 bytes")

    @classmethod
    def read(cls, text: str) -> "PublicKey":
        """From its text. Raises BadKey."""
        return cls(_decode(text, _PUBLIC))

    def text(self) -> str:
        """As the receiver is given it. No secret."""
        return _PUBLIC + _encode(self.key)

    def matches(self, content: bytes, signature: bytes) -> bool:
        """See `Verifier`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, content)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """An Ed25519 key pair: `whsk_` and base64 of the seed, 32 bytes, as the standard's Go library has it."""

    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.seed) != 32:
            raise BadKey("a private key is 32 bytes")

    @classmethod
    def read(cls, text: str) -> "PrivateKey":
        """From its text. Raises BadKey."""
        return cls(_decode(text, _PRIVATE))

    def text(self) -> str:
        """As whoever signs keeps it. A secret."""
        return _PRIVATE + _encode(self.seed)

    def public(self) -> PublicKey:
        """What the receiver verifies with."""
        return PublicKey(Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    def sign(self, content: bytes) -> str:
        """See `Signer`."""
        return f"v1a,{_encode(Ed25519PrivateKey.from_private_bytes(self.seed).sign(content))}"


def headers(signers: Sequence[Signer], id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The three headers of one attempt at `at_s`, seconds since the epoch. ValueError for an id or time not allowed."""
    timestamp = str(at_s)
    if not (signers and _ID.fullmatch(id) and _TIMESTAMP.fullmatch(timestamp)):
        raise ValueError("a message needs a key, an id of [A-Za-z0-9_-] and a time")
    content = _content(id, timestamp, body)
    signatures = " ".join(signer.sign(content) for signer in signers)
    return {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures}


def verify(
    keys: Sequence[Verifier], headers: Mapping[str, str], body: bytes, now_s: float, *, tolerance_s: int = TOLERANCE_S
) -> None:
    """Return if any signature is by any of the keys and the time is right; raise NotAuthentic otherwise.

    `headers` are by name, in any case; `now_s` is the receiver's clock. Remember `webhook-id` for as long as the
    tolerance is: within it, a copy of the same message is as authentic.
    """
    found = {name.lower(): value for name, value in headers.items()}
    id, timestamp = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
    if not (_ID.fullmatch(id) and _TIMESTAMP.fullmatch(timestamp)):
        raise NotAuthentic("webhook-id or webhook-timestamp is missing or malformed")
    if abs(int(timestamp) - now_s) > tolerance_s:
        raise NotAuthentic("webhook-timestamp is too far from now")
    content = _content(id, timestamp, body)
    for entry in found.get("webhook-signature", "").split(" ")[:_MOST_SIGNATURES]:
        version, _, text = entry.partition(",")
        try:
            signature = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue
        if any(key.version == version and key.matches(content, signature) for key in keys):
            return
    raise NotAuthentic("no signature matches")


def _content(id: str, timestamp: str, body: bytes) -> bytes:
    return b".".join((id.encode(), timestamp.encode(), body))


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str, prefix: str) -> bytes:
    digits = text.removeprefix(prefix).rstrip("=")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadKey(f"a key is {prefix} and base64") from None
