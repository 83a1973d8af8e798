"""The only mapping between a `LedgerError` and the wire, in both directions.

- Every error status carries a `google.rpc.Status` with exactly one `ErrorInfo`: domain `consentledger`, the reason's
  name, and the error's metadata. The codes are those that `errors.proto` documents.
- The message is one fixed sentence a reason. It never holds what a caller sent.
- Coming back, a reason is believed only if it is ours and fits its status code. Otherwise the code alone decides, and
  whatever leaves open if a write happened becomes a reason that says so.
"""

from typing import Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from consentledger.errors import LedgerError, Reason

DOMAIN: Final = "consentledger"
"""The `domain` of every `ErrorInfo`."""

DETAILS_KEY: Final = "grpc-status-details-bin"
"""The trailing metadata key of the `google.rpc.Status`."""

_C = grpc.StatusCode
_R = Reason
_TABLE: Final[dict[Reason, tuple[grpc.StatusCode, str]]] = {
    _R.MALFORMED_MESSAGE: (_C.INVALID_ARGUMENT, "The bytes are not a valid request message."),
    _R.MESSAGE_TOO_LARGE: (_C.RESOURCE_EXHAUSTED, "The message is larger than this method accepts."),
    _R.DEADLINE_REQUIRED: (_C.INVALID_ARGUMENT, "A deadline is required."),
    _R.INVALID_FIELD: (_C.INVALID_ARGUMENT, "A field does not follow its rule."),
    _R.TENANT_UNKNOWN: (_C.NOT_FOUND, "There is no such tenant."),
    _R.TENANT_EXISTS: (_C.ALREADY_EXISTS, "The tenant exists already."),
    _R.PURPOSE_UNKNOWN: (_C.NOT_FOUND, "There is no such purpose."),
    _R.PURPOSE_EXISTS: (_C.ALREADY_EXISTS, "The purpose exists already."),
    _R.PURPOSE_RETIRED: (_C.FAILED_PRECONDITION, "The purpose is retired."),
    _R.NOTICE_UNKNOWN: (_C.NOT_FOUND, "There is no such notice version."),
    _R.NOTICE_EXISTS: (_C.ALREADY_EXISTS, "The notice version exists already; a published notice never changes."),
    _R.REGIME_UNKNOWN: (_C.INVALID_ARGUMENT, "There is no such regime."),
    _R.JURISDICTION_REQUIRED: (_C.INVALID_ARGUMENT, "Nothing says which regime applies: a jurisdiction is required."),
    _R.REQUEST_ID_REUSED: (_C.ALREADY_EXISTS, "The request_id was used for another request."),
    _R.OCCURRED_IN_FUTURE: (_C.INVALID_ARGUMENT, "occurred_at is in the future."),
    _R.AS_OF_IN_FUTURE: (_C.INVALID_ARGUMENT, "as_of or known_at is in the future."),
    _R.TOKEN_AHEAD: (_C.FAILED_PRECONDITION, "The consistency token is ahead of the log."),
    _R.TOKEN_INVALID: (_C.INVALID_ARGUMENT, "The consistency token is not one of this log."),
    _R.SUBJECT_UNKNOWN: (_C.NOT_FOUND, "There is no such person."),
    _R.SUBJECT_ERASED: (_C.FAILED_PRECONDITION, "The person was erased."),
    _R.ERASURE_IN_PROGRESS: (_C.FAILED_PRECONDITION, "The person is being erased."),
    _R.EXPLICIT_REQUIRED: (_C.FAILED_PRECONDITION, "The purpose needs an explicit act."),
    _R.GUARDIAN_REQUIRED: (_C.FAILED_PRECONDITION, "The purpose needs a guardian's act."),
    _R.NOTICE_REQUIRED: (_C.INVALID_ARGUMENT, "A grant needs a notice version."),
    _R.LINK_UNKNOWN: (_C.NOT_FOUND, "The two identifiers are not linked."),
    _R.LINK_LIMIT: (_C.FAILED_PRECONDITION, "Too many identifiers would be linked."),
    _R.DOWNSTREAM_UNKNOWN: (_C.NOT_FOUND, "There is no such downstream."),
    _R.DOWNSTREAM_EXISTS: (_C.ALREADY_EXISTS, "The downstream exists already."),
    _R.OBLIGATION_UNKNOWN: (_C.NOT_FOUND, "There is no such obligation."),
    _R.OBLIGATION_CLOSED: (_C.FAILED_PRECONDITION, "The obligation has another outcome already."),
    _R.PAGE_TOKEN_INVALID: (_C.INVALID_ARGUMENT, "The page token is not valid."),
    _R.OVERLOADED: (_C.RESOURCE_EXHAUSTED, "Too much is asked at once; nothing was written; retry after a pause."),
    _R.STORE_UNAVAILABLE: (_C.UNAVAILABLE, "The store cannot be reached; repeat the call with the same request_id."),
    _R.CONFLICT: (_C.ABORTED, "Another write came first; nothing was written; repeat the call."),
    _R.SHUTTING_DOWN: (_C.UNAVAILABLE, "This replica is shutting down; nothing was written; use another."),
    _R.NOT_IMPLEMENTED: (_C.UNIMPLEMENTED, "There is no such method here."),
    _R.INTERNAL: (_C.INTERNAL, "An internal error; its reference is in the log."),
    _R.DEADLINE_EXCEEDED: (_C.DEADLINE_EXCEEDED, "The deadline passed; repeat the call with the same request_id."),
    _R.CATALOGUE_CONFLICT: (_C.ABORTED, "expected_version does not hold; read it again."),
    _R.PERMISSION_DENIED: (_C.PERMISSION_DENIED, "The caller may not do this."),
    _R.LOG_UNKNOWN: (_C.NOT_FOUND, "This process holds no log of that name."),
    _R.POSITION_UNKNOWN: (_C.NOT_FOUND, "There is no such position or tree size."),
    _R.HOLD_STANDS: (_C.FAILED_PRECONDITION, "A legal hold keeps the person from being erased."),
    _R.ERASURE_UNKNOWN: (_C.NOT_FOUND, "There is no such erasure."),
    _R.LOG_BEHIND_GUARD: (_C.UNAVAILABLE, "The database is not the one that was signed; nothing was written."),
}

# What a bare code from a proxy, from gRPC itself or from a foreign server stands for; INTERNAL for all others.
# CANCELLED by the other side is how Python servers answer calls that they had not accepted when they stopped.
_BY_CODE: Final = {
    _C.UNAVAILABLE: _R.STORE_UNAVAILABLE,
    _C.CANCELLED: _R.STORE_UNAVAILABLE,
    _C.DEADLINE_EXCEEDED: _R.DEADLINE_EXCEEDED,
    _C.PERMISSION_DENIED: _R.PERMISSION_DENIED,
    _C.UNAUTHENTICATED: _R.PERMISSION_DENIED,
    _C.UNIMPLEMENTED: _R.NOT_IMPLEMENTED,
}


def code_of(reason: Reason) -> grpc.StatusCode:
    """The status code that a reason travels under."""
    return _TABLE[reason][0]


def to_status(error: LedgerError) -> grpc.Status:
    """The status of an error: code, fixed sentence, and trailing metadata with its one `ErrorInfo`."""
    code, sentence = _TABLE[error.reason]
    detail = AnyMessage()
    detail.Pack(error_details_pb2.ErrorInfo(domain=DOMAIN, reason=error.reason.value, metadata=error.metadata))
    return rpc_status.to_status(status_pb2.Status(code=code.value[0], message=sentence, details=[detail]))


def from_rpc_error(error: grpc.aio.AioRpcError) -> LedgerError:
    """The error that another of our services meant; from any other server, what its status code stands for."""
    info = _error_info(error)
    if info is not None and info.reason in Reason.__members__:
        reason = Reason(info.reason)
        if code_of(reason) is error.code():
            return LedgerError(reason, **info.metadata)
    return LedgerError(_BY_CODE.get(error.code(), _R.INTERNAL))


def _error_info(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo | None:
    info = error_details_pb2.ErrorInfo()
    try:
        raw = [value for key, value in error.trailing_metadata() if key == DETAILS_KEY and isinstance(value, bytes)]
        details = [detail for value in raw for detail in status_pb2.Status.FromString(value).details]
        ours = [detail for detail in details if detail.Is(info.DESCRIPTOR)]
        if len(ours) != 1 or not ours[0].Unpack(info):
            return None
    except DecodeError:
        return None
    return info if info.domain == DOMAIN else None
