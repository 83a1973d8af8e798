"""What a caller is told about an exception: always a `LedgerError`, never a library's text.

- An unexpected exception is a defect: the caller gets a random reference, and the log line with that reference gets
  the exception's type and the places in the code, never its text, since texts quote values.
- A store that cannot be reached and a COMMIT without an answer look the same: the outcome is unknown.
- A timeout inside a handler is told as the deadline's: there too the outcome is unknown.
"""

import os
import secrets
from traceback import walk_tb

import grpc

from consentledger import journal
from consentledger.crypto.provider import ProviderUnreachable
from consentledger.errors import LedgerError, Reason
from consentledger.rpc.errors import from_rpc_error
from consentledger.store.ledger import NotAsSigned, StoreUnavailable

_journal = journal.get("rpc")
_DEEPEST = 20


def refusal(error: BaseException, method: str) -> LedgerError:
    """The `LedgerError` for whatever left a handler of `method`; writes the log line of a defect."""
    if isinstance(error, LedgerError):
        return error
    if isinstance(error, NotAsSigned):
        return LedgerError(Reason.LOG_BEHIND_GUARD)
    if isinstance(error, StoreUnavailable | ProviderUnreachable):
        return LedgerError(Reason.STORE_UNAVAILABLE)
    if isinstance(error, TimeoutError):
        return LedgerError(Reason.DEADLINE_EXCEEDED)
    if isinstance(error, grpc.aio.AioRpcError):
        return from_rpc_error(error)
    ref = secrets.token_hex(8)
    _journal.error("rpc.internal", method=method, exception=type(error).__name__, stack=_places(error), ref=ref)
    return LedgerError(Reason.INTERNAL, ref=ref)


def _places(error: BaseException) -> list[str]:
    """Where it came from, innermost last: `store/sqlite.py:41 write`."""
    places = []
    for frame, line in walk_tb(error.__traceback__):
        code = frame.f_code
        places.append(f"{os.sep.join(code.co_filename.split(os.sep)[-2:])}:{line} {code.co_name}")
    return places[-_DEEPEST:]
