"""Page tokens: where the next page begins, opaque to callers. No state is kept for them, so they never expire."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error

from consentledger.errors import LedgerError, Reason

DEFAULT, MOST = 100, 1_000


def page_size(asked: int) -> int:
    """How many to return: 100 unless asked, at most 1,000."""
    return min(asked or DEFAULT, MOST)


def token_after(key: str) -> str:
    """The token for what follows a key."""
    return urlsafe_b64encode(b"k" + key.encode()).decode().rstrip("=")


def key_after(token: str) -> str:
    """The key in a token; empty for the first page. PAGE_TOKEN_INVALID for anything else."""
    if not token:
        return ""
    try:
        raw = urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4))
        if raw[:1] == b"k" and b"\0" not in raw:  # PostgreSQL's text cannot hold it
            return raw[1:].decode()
    except (Error, ValueError):
        pass
    raise LedgerError(Reason.PAGE_TOKEN_INVALID)


def token_for(position: int) -> str:
    """The token for what follows a position."""
    return token_after(str(position))


def position_after(token: str) -> int:
    """The position in a token; 0 for the first page."""
    key = key_after(token) or "0"
    if not key.isascii() or not key.isdigit() or len(key) > 19:
        raise LedgerError(Reason.PAGE_TOKEN_INVALID)
    return int(key)
