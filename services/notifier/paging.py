"""Page tokens: where a list goes on, opaque to callers. No state is kept for them, so they never expire. Pure.

- A token belongs to the filters it was made under; any other list refuses it as PAGE_TOKEN_INVALID.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error

from consentledger.errors import LedgerError, Reason

DEFAULT, MOST = 100, 1_000
_CHECK = 8


def page_size(asked: int) -> int:
    """How many to return: 100 unless asked, at most 1,000."""
    return min(asked or DEFAULT, MOST)


def token_after(key: str, *filters: str) -> str:
    """The token for what follows the item with this sort key."""
    return urlsafe_b64encode(_check(filters) + key.encode()).decode().rstrip("=")


def key_after(token: str, *filters: str) -> str:
    """The sort key in a token; empty for the first page."""
    if not token:
        return ""
    try:
        raw = urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4))
        key = raw[_CHECK:].decode()
    except (Error, ValueError):
        raise LedgerError(Reason.PAGE_TOKEN_INVALID) from None
    if raw[:_CHECK] != _check(filters) or not key:
        raise LedgerError(Reason.PAGE_TOKEN_INVALID)
    return key


def number_after(token: str, *filters: str) -> int:
    """The same for a list whose sort key is a number; 0 for the first page."""
    key = key_after(token, *filters) or "0"
    if not (key.isascii() and key.isdigit() and len(key) <= 18):
        raise LedgerError(Reason.PAGE_TOKEN_INVALID)
    return int(key)


def _check(filters: tuple[str, ...]) -> bytes:
    return hashlib.sha256("\0".join(filters).encode()).digest()[:_CHECK]
