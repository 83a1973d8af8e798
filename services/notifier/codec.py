"""Domain events to leaf headers and back. The names and numbers here are on disk for ever.

- Nothing of the notifier's is sealed: its events hold no personal value.
- An event type or format that is not known refuses to load; nothing is guessed.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from consentledger.store.commands import FORMAT, Draft
from consentledger.store.ledger import Entry
from consentledger.v1 import events_pb2 as ev
from services.notifier.domain.downstream import Downstreams
from services.notifier.domain.obligation import AnswerEvent, Obligation, Step
from services.notifier.wire import downstream_from, downstream_to, enum, evidence_from, evidence_to, micros, stamp

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TYPES: dict[Any, str] = {
    # The first downstream of a tenant opens the stream; on disk it is a change like those that follow.
    Downstreams.Created: "downstream.changed.v1",
    Downstreams.Changed: "downstream.changed.v1",
    Obligation.Created: "obligation.pending.v1",
    Obligation.Sent: "obligation.sent.v1",
    Obligation.Received: "obligation.received.v1",
    Obligation.Enforced: "obligation.enforced.v1",
    Obligation.Failed: "obligation.failed.v1",
    Obligation.Dead: "obligation.dead.v1",
}
_STEPS: dict[Any, Step] = {
    Obligation.Created: Step.PENDING,
    Obligation.Sent: Step.SENT,
    Obligation.Received: Step.RECEIVED,
    Obligation.Enforced: Step.ENFORCED,
    Obligation.Failed: Step.FAILED,
    Obligation.Dead: Step.DEAD,
}
_ANSWERS: dict[str, Any] = {
    _TYPES[kind]: kind for kind in (Obligation.Received, Obligation.Enforced, Obligation.Failed, Obligation.Dead)
}


class UnknownEvent(Exception):
    """A stored event that this version does not know."""


def step_of(event: Any) -> Step:
    """Where the obligation stands after this event of it."""
    return _STEPS[type(event)]


def draft(tenant: str, event: Any) -> Draft:
    """The draft of a new event."""
    header = ev.EventHeader()
    if isinstance(event, Downstreams.Created | Downstreams.Changed):
        header.downstream_changed.downstream.CopyFrom(downstream_to(event.downstream))
    else:
        _obligation(header.obligation_changed, event)
    return Draft(
        tenant=tenant,
        stream=event.originator_id.bytes,
        version=event.originator_version,
        position=event.position,
        recorded_us=event.recorded_us,
        occurred_us=None,
        type=_TYPES[type(event)],
        header=header,
        event=event,
    )


def _obligation(body: ev.ObligationChanged, event: Any) -> None:
    body.state = enum(_STEPS[type(event)])
    body.downstream = event.downstream
    body.ledger_position = event.ledger_position
    if isinstance(event, Obligation.Created):
        body.person = event.person
        body.purposes.extend(event.purposes)
        stamp(body.revoked_at, event.revoked_us)
        stamp(body.due_at, event.due_us)
        body.event_type = event.event_type
    elif isinstance(event, Obligation.Sent):
        body.dispatch = event.dispatch
    elif isinstance(event, AnswerEvent):
        body.evidence.CopyFrom(evidence_to(event.evidence))


def load(entry: Entry) -> Any:
    """The domain event of a stored entry."""
    leaf = ev.LedgerEntry.FromString(entry.leaf)
    if leaf.format != FORMAT:
        raise UnknownEvent(leaf.type)
    common: dict[str, Any] = {
        "originator_id": UUID(bytes=entry.stream),
        "originator_version": entry.version,
        "timestamp": _EPOCH + timedelta(microseconds=entry.recorded_us),
        "position": entry.position,
        "recorded_us": entry.recorded_us,
    }
    if leaf.type == _TYPES[Downstreams.Changed]:
        common["downstream"] = downstream_from(leaf.header.downstream_changed.downstream)
        if entry.version == 1:
            return Downstreams.Created(**common, originator_topic=Downstreams.TOPIC)
        return Downstreams.Changed(**common)
    return _load_obligation(common, leaf)


def _load_obligation(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    body = leaf.header.obligation_changed
    common |= {"downstream": body.downstream, "ledger_position": body.ledger_position}
    if leaf.type == _TYPES[Obligation.Created]:
        common |= {
            "originator_topic": Obligation.TOPIC,
            "tenant": leaf.tenant,
            "person": body.person,
            "purposes": tuple(body.purposes),
            "event_type": body.event_type,
            "revoked_us": micros(body.revoked_at),
            "due_us": micros(body.due_at),
        }
        return Obligation.Created(**common)
    if leaf.type == _TYPES[Obligation.Sent]:
        return Obligation.Sent(**common | {"dispatch": body.dispatch})
    if leaf.type in _ANSWERS:
        return _ANSWERS[leaf.type](**common | {"evidence": evidence_from(body.evidence)})
    raise UnknownEvent(leaf.type)
