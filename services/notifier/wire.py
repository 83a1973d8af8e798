"""Domain values to protobuf messages and back. No rules, no I/O."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from consentledger.v1 import events_pb2 as ev
from services.notifier.domain.downstream import DownstreamDef, WebhookDef
from services.notifier.domain.obligation import Evidence


def micros(field: Timestamp) -> int:
    """Microseconds since the epoch; finer parts are cut off."""
    return field.seconds * 1_000_000 + field.nanos // 1000


def stamp(field: Timestamp, us: int) -> None:
    """Set an instant."""
    field.seconds, rest = divmod(us, 1_000_000)
    field.nanos = rest * 1000


def enum(value: int) -> Any:
    """A number as an enum's value: the same at run time, which the generated types do not say."""
    return value


def downstream_to(downstream: DownstreamDef) -> ev.Downstream:
    """To the wire."""
    message = ev.Downstream(
        id=downstream.id,
        display_name=downstream.display_name,
        kind=enum(downstream.kind),
        purposes=downstream.purposes,
        identifier_namespace=downstream.identifier_namespace,
        paused=downstream.paused,
        enforce_within_seconds=downstream.enforce_within_s,
        version=downstream.version,
    )
    if downstream.webhook is not None:
        message.webhook.CopyFrom(webhook_to(downstream.webhook))
    return message


def downstream_from(downstream: ev.Downstream) -> DownstreamDef:
    """From the wire; its form was checked at the edge."""
    return DownstreamDef(
        id=downstream.id,
        kind=int(downstream.kind),
        purposes=tuple(downstream.purposes),
        identifier_namespace=downstream.identifier_namespace,
        display_name=downstream.display_name,
        paused=downstream.paused,
        enforce_within_s=downstream.enforce_within_seconds,
        version=downstream.version,
        webhook=webhook_from(downstream.webhook) if downstream.HasField("webhook") else None,
    )


def webhook_to(webhook: WebhookDef) -> ev.Webhook:
    """To the wire."""
    message = ev.Webhook(
        url=webhook.url,
        disabled=webhook.disabled,
        secret_version=webhook.secret_version,
        previous_secret_version=webhook.previous_secret_version,
    )
    if webhook.previous_secret_version:
        stamp(message.previous_secret_until, webhook.previous_until_us)
    return message


def webhook_from(webhook: ev.Webhook) -> WebhookDef:
    """From the wire."""
    return WebhookDef(
        url=webhook.url,
        disabled=webhook.disabled,
        secret_version=webhook.secret_version,
        previous_secret_version=webhook.previous_secret_version,
        previous_until_us=micros(webhook.previous_secret_until),
    )


def evidence_to(evidence: Evidence) -> ev.Evidence:
    """To the wire."""
    message = ev.Evidence(
        method=evidence.method,
        records_affected=evidence.records_affected,
        failure_reason=evidence.failure_reason,
    )
    if evidence.enforced_us is not None:
        stamp(message.enforced_at, evidence.enforced_us)
    if evidence.received_us is not None:
        stamp(message.received_at, evidence.received_us)
    return message


def evidence_from(evidence: ev.Evidence) -> Evidence:
    """From the wire."""
    return Evidence(
        enforced_us=micros(evidence.enforced_at) if evidence.HasField("enforced_at") else None,
        method=evidence.method,
        records_affected=evidence.records_affected,
        failure_reason=evidence.failure_reason,
        received_us=micros(evidence.received_at) if evidence.HasField("received_at") else None,
    )
