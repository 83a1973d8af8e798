"""The reasons that a request can be refused for: one exception, one stable reason each.

Pure: no I/O, no gRPC. The names are those of `errors.proto`, where each is described with its status; the mapping
to the wire is in `consentledger.rpc.errors` and nowhere else.

- Metadata holds names of fields, rules and limits. Never a value that a caller sent.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a request was refused; see `errors.proto` for each."""

    MALFORMED_MESSAGE = "MALFORMED_MESSAGE"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    DEADLINE_REQUIRED = "DEADLINE_REQUIRED"
    INVALID_FIELD = "INVALID_FIELD"
    TENANT_UNKNOWN = "TENANT_UNKNOWN"
    TENANT_EXISTS = "TENANT_EXISTS"
    PURPOSE_UNKNOWN = "PURPOSE_UNKNOWN"
    PURPOSE_EXISTS = "PURPOSE_EXISTS"
    PURPOSE_RETIRED = "PURPOSE_RETIRED"
    NOTICE_UNKNOWN = "NOTICE_UNKNOWN"
    NOTICE_EXISTS = "NOTICE_EXISTS"
    REGIME_UNKNOWN = "REGIME_UNKNOWN"
    JURISDICTION_REQUIRED = "JURISDICTION_REQUIRED"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    OCCURRED_IN_FUTURE = "OCCURRED_IN_FUTURE"
    AS_OF_IN_FUTURE = "AS_OF_IN_FUTURE"
    TOKEN_AHEAD = "TOKEN_AHEAD"
    TOKEN_INVALID = "TOKEN_INVALID"
    SUBJECT_UNKNOWN = "SUBJECT_UNKNOWN"
    SUBJECT_ERASED = "SUBJECT_ERASED"
    ERASURE_IN_PROGRESS = "ERASURE_IN_PROGRESS"
    EXPLICIT_REQUIRED = "EXPLICIT_REQUIRED"
    GUARDIAN_REQUIRED = "GUARDIAN_REQUIRED"
    NOTICE_REQUIRED = "NOTICE_REQUIRED"
    LINK_UNKNOWN = "LINK_UNKNOWN"
    LINK_LIMIT = "LINK_LIMIT"
    DOWNSTREAM_UNKNOWN = "DOWNSTREAM_UNKNOWN"
    DOWNSTREAM_EXISTS = "DOWNSTREAM_EXISTS"
    OBLIGATION_UNKNOWN = "OBLIGATION_UNKNOWN"
    OBLIGATION_CLOSED = "OBLIGATION_CLOSED"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"
    OVERLOADED = "OVERLOADED"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    CONFLICT = "CONFLICT"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    INTERNAL = "INTERNAL"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    CATALOGUE_CONFLICT = "CATALOGUE_CONFLICT"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    LOG_UNKNOWN = "LOG_UNKNOWN"
    POSITION_UNKNOWN = "POSITION_UNKNOWN"
    HOLD_STANDS = "HOLD_STANDS"
    ERASURE_UNKNOWN = "ERASURE_UNKNOWN"
    LOG_BEHIND_GUARD = "LOG_BEHIND_GUARD"


class LedgerError(Exception):
    """A refusal with a stable reason. `metadata` holds field names, rules and limits, never a caller's value."""

    def __init__(self, reason: Reason, /, **metadata: str) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.metadata = metadata


def invalid(field: str, rule: str) -> LedgerError:
    """The refusal of one field: `invalid("subject.id", "1 to 512 bytes")`."""
    return LedgerError(Reason.INVALID_FIELD, field=field, rule=rule)
