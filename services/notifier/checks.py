"""The form of what callers and downstreams send: tokens, sizes, UUIDs, times. No rules.

- Every refusal is INVALID_FIELD with the field and the rule, never the value.
- Limits here bound what goes into a leaf (65,535 bytes).
"""

import re
from collections.abc import Collection
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from consentledger.errors import invalid
from consentledger.v1 import events_pb2 as ev
from consentledger.webhook.target import BadTarget, parse_target
from services.notifier.domain.downstream import ALL
from services.notifier.domain.obligation import OUTCOMES, Step

_ID = re.compile(r"[a-z0-9-]{1,63}")
_PURPOSE = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_TOKEN = re.compile(r"[a-z0-9._-]{1,64}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MOST_PURPOSES = 200
_LONGEST_NAME = 200
_LONGEST_WITHIN_S = 366 * 86_400
_LONGEST_OVERLAP_S = 7 * 86_400
_YEAR_2230_S = 8_204_889_600
_INT64_MAX = (1 << 63) - 1


def tenant(value: str) -> None:
    """A tenant's id."""
    _match(_ID, value, "tenant")


def downstream_id(value: str, field: str = "downstream") -> None:
    """A downstream's id."""
    _match(_ID, value, field)


def uuid(value: str, field: str) -> bytes:
    """A UUID in its usual text form; 16 bytes."""
    if not _UUID.fullmatch(value):
        raise invalid(field, "a UUID")
    return UUID(value).bytes


def position(value: int, field: str) -> None:
    """A place in a log."""
    if value > _INT64_MAX:
        raise invalid(field, "below 2^63")


def state(value: int, field: str = "state") -> None:
    """An obligation's state, or unspecified."""
    if value not in (0, *Step):
        raise invalid(field, "a state")


def downstream(value: ev.Downstream, plain_hosts: Collection[str] = ()) -> None:
    """A downstream as registered; `plain_hosts` may have a webhook without TLS."""
    downstream_id(value.id, "downstream.id")
    if len(value.display_name.encode()) > _LONGEST_NAME:
        raise invalid("downstream.display_name", f"at most {_LONGEST_NAME} bytes")
    if value.kind not in (1, 2, 3):
        raise invalid("downstream.kind", "INTERNAL, PROCESSOR or THIRD_PARTY")
    if not 1 <= len(value.purposes) <= _MOST_PURPOSES or len(set(value.purposes)) != len(value.purposes):
        raise invalid("downstream.purposes", f"1 to {_MOST_PURPOSES}, none twice")
    if ALL in value.purposes and len(value.purposes) > 1:
        raise invalid("downstream.purposes", "* stands alone")
    for purpose in value.purposes:
        if purpose != ALL:
            _match(_PURPOSE, purpose, "downstream.purposes")
    _match(_NAMESPACE, value.identifier_namespace, "downstream.identifier_namespace")
    if value.enforce_within_seconds > _LONGEST_WITHIN_S:
        raise invalid("downstream.enforce_within_seconds", f"at most {_LONGEST_WITHIN_S}")
    position(value.version, "downstream.version")
    if value.HasField("webhook"):
        _url(value.webhook.url, plain_hosts)


def overlap(seconds: int) -> None:
    """How long an old secret goes on."""
    if seconds > _LONGEST_OVERLAP_S:
        raise invalid("overlap_seconds", f"at most {_LONGEST_OVERLAP_S}")


def outcome(value: int) -> Step:
    """What a downstream may tell."""
    if value not in OUTCOMES:
        raise invalid("outcome", "RECEIVED, ENFORCED or FAILED")
    return Step(value)


def evidence(value: ev.Evidence, told: Step) -> None:
    """What it says of it: how, for ENFORCED; why not, for FAILED."""
    if value.method or told is Step.ENFORCED:
        _match(_TOKEN, value.method, "evidence.method")
    if value.failure_reason or told is Step.FAILED:
        _match(_TOKEN, value.failure_reason, "evidence.failure_reason")
    position(value.records_affected, "evidence.records_affected")
    if value.HasField("enforced_at"):
        _instant(value.enforced_at, "evidence.enforced_at")


def _url(value: str, plain_hosts: Collection[str]) -> None:
    try:
        target = parse_target(value, plain_hosts)
    except BadTarget as refusal:
        raise invalid("downstream.webhook.url", str(refusal)) from None
    if "?" in target.path:
        raise invalid("downstream.webhook.url", "no query, which is where keys are put: the log keeps it for ever")


def _instant(value: Timestamp, field: str) -> None:
    if not (0 <= value.seconds < _YEAR_2230_S and 0 <= value.nanos < 1_000_000_000):
        raise invalid(field, "between 1970 and 2230")


def _match(pattern: re.Pattern[str], value: str, field: str) -> None:
    if not pattern.fullmatch(value):
        raise invalid(field, pattern.pattern)
