"""Obligations as callers see them, and as a downstream receives them. No rules, no I/O."""

from dataclasses import dataclass
from uuid import UUID

from consentledger.v1 import notifier_service_pb2 as ns
from services.notifier.domain.obligation import Evidence, Obligation, Step
from services.notifier.wire import enum, evidence_to, stamp


@dataclass(frozen=True, slots=True)
class ObligationView:
    """One obligation as it stands."""

    id: bytes
    """16 bytes."""
    tenant: str
    downstream: str
    step: Step
    ledger_position: int
    person: bytes
    """16 bytes; empty when it concerns everybody. Never shown to callers."""
    purposes: tuple[str, ...]
    event_type: str
    revoked_us: int
    due_us: int
    evidence: Evidence | None = None


def view_of(obligation: Obligation) -> ObligationView:
    """An aggregate as it stands."""
    return ObligationView(
        obligation.id.bytes,
        obligation.tenant,
        obligation.downstream,
        obligation.step,
        obligation.ledger_position,
        obligation.person,
        obligation.purposes,
        obligation.event_type,
        obligation.revoked_us,
        obligation.due_us,
        obligation.evidence,
    )


def obligation_to(view: ObligationView) -> ns.Obligation:
    """For callers."""
    message = ns.Obligation(
        id=str(UUID(bytes=view.id)),
        tenant=view.tenant,
        downstream=view.downstream,
        state=enum(view.step),
        ledger_position=view.ledger_position,
        purposes=view.purposes,
        event_type=view.event_type,
        catalogue=not view.person,
    )
    stamp(message.revoked_at, view.revoked_us)
    stamp(message.due_at, view.due_us)
    if view.evidence is not None:
        message.evidence.CopyFrom(evidence_to(view.evidence))
    return message


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One message to a downstream, before anybody is named in it."""

    sequence: int
    """Its place in the stream ENFORCE, gapless."""
    obligation: bytes
    """16 bytes."""
    tenant: str
    downstream: str
    ledger_position: int
    person: bytes
    purposes: tuple[str, ...]
    event_type: str
    revoked_us: int
    due_us: int
    namespace: str
    """The identifiers' namespace, as registered now."""


def message_to(dispatch: Dispatch, ids: tuple[str, ...]) -> ns.ObligationMessage:
    """For the downstream. The only place where an obligation and identifiers meet."""
    message = ns.ObligationMessage(
        obligation=str(UUID(bytes=dispatch.obligation)),
        tenant=dispatch.tenant,
        downstream=dispatch.downstream,
        ledger_position=dispatch.ledger_position,
        purposes=dispatch.purposes,
        namespace=dispatch.namespace,
        ids=ids,
        catalogue=not dispatch.person,
        event_type=dispatch.event_type,
    )
    stamp(message.revoked_at, dispatch.revoked_us)
    stamp(message.due_at, dispatch.due_us)
    return message
