"""The form of requests: sizes, tokens, UUIDs, times. What a request means is the domain's affair.

- Every refusal is INVALID_FIELD with the field and the rule, never the value.
- Limits here bound what goes into a leaf (65,535 bytes).
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date

from google.protobuf.timestamp_pb2 import Timestamp

from consentledger.errors import invalid
from consentledger.v1 import types_pb2 as ty
from services.consent.wire import micros

_TENANT = re.compile(r"[a-z0-9-]{1,63}")
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOKEN = re.compile(r"[a-z0-9._-]{1,64}")
_ACTOR = re.compile(r"[A-Za-z0-9@._-]{0,128}")
_HOLD = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PLACE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
EARLIEST_US = -2_208_988_800_000_000
"""1900-01-01: an earlier time is a mistake."""
LATEST_US = 4_102_444_800_000_000 * 2
"""About 2230."""


def tenant(value: str, field: str = "tenant") -> None:
    """A tenant id."""
    _match(_TENANT, value, field)


def purpose(value: str, field: str = "purpose") -> None:
    """A purpose id."""
    _match(_ID, value, field)


def purposes(values: Sequence[str], field: str = "purposes") -> None:
    """Up to 100 purpose ids, none twice."""
    if len(values) > 100 or len(set(values)) != len(values):
        raise invalid(field, "at most 100, none twice")
    for value in values:
        purpose(value, field)


def notice_version(value: str, field: str = "notice_version") -> None:
    """A notice version, or nothing."""
    if value:
        _match(_VERSION, value, field)


def token(value: str, field: str, *, empty: bool = True) -> None:
    """A short token."""
    if value or not empty:
        _match(_TOKEN, value, field)


def language(value: str, field: str) -> None:
    """BCP 47, or nothing."""
    if value:
        _match(_LANGUAGE, value, field)


def request_id(value: str) -> bytes:
    """A UUID in its usual text form; 16 bytes."""
    return uuid(value, "request_id")


def uuid(value: str, field: str) -> bytes:
    """Likewise, of any field."""
    if not _UUID.fullmatch(value):
        raise invalid(field, "a UUID")
    return bytes.fromhex(value.replace("-", ""))


def hold(value: str, field: str = "hold") -> None:
    """The name of a legal hold."""
    _match(_HOLD, value, field)


def subject(ref: ty.SubjectRef, field: str = "subject") -> None:
    """An identifier."""
    if not _NAMESPACE.fullmatch(ref.namespace):
        raise invalid(f"{field}.namespace", _NAMESPACE.pattern)
    if not ref.id or len(ref.id) > 512 or (not ref.id.isascii() and len(ref.id.encode()) > 512):
        raise invalid(f"{field}.id", "1 to 512 bytes")
    if not ref.id.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in ref.id):
        raise invalid(f"{field}.id", "no control characters")
    if ref.id.isspace():
        raise invalid(f"{field}.id", "not blank")


def text(value: str, field: str, limit: int) -> None:
    """Free text."""
    if len(value.encode()) > limit:
        raise invalid(field, f"at most {limit} bytes")


def place(value: str, field: str) -> None:
    """ISO 3166-1 or 3166-2, or nothing. Whether it exists is a matter of the regimes' data."""
    if value:
        _match(_PLACE, value, field)


def instant(message: object, field: str, *, required: bool = False) -> int | None:
    """A timestamp field of a message: microseconds, or None when unset."""
    name = field.rpartition(".")[2]
    if not message.HasField(name):  # type: ignore[attr-defined]
        if required:
            raise invalid(field, "set")
        return None
    value: Timestamp = getattr(message, name)
    us = micros(value)
    if not EARLIEST_US <= us <= LATEST_US or not 0 <= value.nanos < 1_000_000_000:
        raise invalid(field, "between 1900 and 2230")
    return us


def birth_date(value: str, field: str) -> None:
    """A date, or nothing. Whether one is needed is a matter of the purpose."""
    try:
        if value and not (_DATE.fullmatch(value) and 1900 <= date.fromisoformat(value).year <= 2230):
            raise ValueError
    except ValueError:
        raise invalid(field, "YYYY-MM-DD, between 1900 and 2230") from None


def context(value: ty.Context, field: str = "context") -> None:
    """How an act was collected."""
    token(value.method, f"{field}.method")
    token(value.collector, f"{field}.collector")
    place(value.jurisdiction, f"{field}.jurisdiction")
    language(value.language, f"{field}.language")
    if len(value.evidence_sha256) not in (0, 32):
        raise invalid(f"{field}.evidence_sha256", "32 bytes or none")
    if value.age_band not in (0, 1, 2):
        raise invalid(f"{field}.age_band", "a known age band")
    text(value.ip, f"{field}.ip", 64)
    text(value.user_agent, f"{field}.user_agent", 1024)
    text(value.note, f"{field}.note", 4096)
    if value.HasField("guardian"):
        subject(value.guardian.subject, f"{field}.guardian.subject")
        token(value.guardian.verification_method, f"{field}.guardian.verification_method", empty=False)
        birth_date(value.guardian.child_birth_date, f"{field}.guardian.child_birth_date")


def access(value: ty.AccessReason, field: str = "access") -> None:
    """Why a person's data is read."""
    token(value.purpose, f"{field}.purpose")
    _match(_ACTOR, value.actor, f"{field}.actor")


def one_of(value: int, allowed: Iterable[int], field: str) -> None:
    """An enum with a meaning."""
    if value not in allowed:
        raise invalid(field, "a known value")


def _match(pattern: re.Pattern[str], value: str, field: str) -> None:
    if not pattern.fullmatch(value):
        raise invalid(field, pattern.pattern)
