"""Domain values to protobuf messages and back. No rules, no I/O."""

from datetime import date
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from consentledger.errors import invalid
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from services.consent.domain.catalogue import Basis, NoticeDef, PurposeDef, TenantDef
from services.consent.domain.consent import ChoiceDef
from services.consent.domain.group import Standing
from services.consent.domain.person import Collected


def micros(field: Timestamp) -> int:
    """Microseconds since the epoch; finer parts are cut off."""
    return field.seconds * 1_000_000 + field.nanos // 1000


def number(value: int) -> Any:
    """An enum's number as the generated messages take it."""
    return int(value)


def stamp(field: Timestamp, us: int) -> None:
    """Set an instant."""
    field.seconds, rest = divmod(us, 1_000_000)
    field.nanos = rest * 1000


def tenant_to(tenant: TenantDef) -> ev.Tenant:
    """To the wire."""
    return ev.Tenant(
        id=tenant.id,
        display_name=tenant.display_name,
        default_jurisdiction=tenant.default_jurisdiction,
        version=tenant.version,
    )


def tenant_from(tenant: ev.Tenant) -> TenantDef:
    """From the wire."""
    return TenantDef(tenant.id, tenant.display_name, tenant.default_jurisdiction, tenant.version)


def purpose_to(purpose: PurposeDef) -> ev.Purpose:
    """To the wire."""
    return ev.Purpose(
        id=purpose.id,
        title=purpose.title,
        description=purpose.description,
        dpv_iri=purpose.dpv_iri,
        data_categories=purpose.data_categories,
        special_category=purpose.special_category,
        directed_at_children=purpose.directed_at_children,
        bases=[ev.PurposeBasis(regime=regime, basis=number(basis)) for regime, basis in sorted(purpose.bases.items())],
        sector_regimes=purpose.sector_regimes,
        retention=purpose.retention,
        kept_by_law=purpose.kept_by_law,
        retired=purpose.retired,
        version=purpose.version,
        notice_id=purpose.notice_id,
    )


def purpose_from(purpose: ev.Purpose) -> PurposeDef:
    """From the wire; its form was checked at the edge."""
    return PurposeDef(
        id=purpose.id,
        bases={b.regime: Basis(int(b.basis)) for b in purpose.bases},
        title=purpose.title,
        description=purpose.description,
        dpv_iri=purpose.dpv_iri,
        data_categories=tuple(purpose.data_categories),
        special_category=purpose.special_category,
        directed_at_children=purpose.directed_at_children,
        sector_regimes=tuple(purpose.sector_regimes),
        retention=purpose.retention,
        kept_by_law=purpose.kept_by_law,
        retired=purpose.retired,
        version=purpose.version,
        notice_id=purpose.notice_id,
    )


def notice_to(notice: NoticeDef, *, with_text: bool = True) -> ev.Notice:
    """To the wire."""
    message = ev.Notice(
        id=notice.id,
        version=notice.version,
        language=notice.language,
        text_sha256=notice.text_sha256,
        text=notice.text if with_text else "",
        material=notice.material,
        purposes=notice.purposes,
    )
    stamp(message.published_at, notice.published_us)
    return message


def notice_from(notice: ev.Notice, ordinal: int = 0) -> NoticeDef:
    """From the wire."""
    return NoticeDef(
        id=notice.id,
        version=notice.version,
        language=notice.language,
        text_sha256=notice.text_sha256,
        text=notice.text,
        material=notice.material,
        purposes=tuple(notice.purposes),
        ordinal=ordinal,
        published_us=micros(notice.published_at),
    )


def state_to(standing: Standing) -> ty.PurposeState:
    """What stands, to the wire."""
    message = ty.PurposeState(
        purpose=standing.purpose,
        state=number(standing.state),
        superseded=standing.superseded,
    )
    act = standing.act
    if act is not None:
        message.notice_version = act.notice
        message.position = act.position
        stamp(message.occurred_at, act.effective_us)
        stamp(message.recorded_at, act.recorded_us)
        if act.expires_us is not None:
            stamp(message.expires_at, act.expires_us)
    return message


def choice_from(choice: cs.ConsentChoice) -> ChoiceDef:
    """One choice."""
    expires_us = micros(choice.expires_at) if choice.HasField("expires_at") else None
    return ChoiceDef(choice.purpose, choice.choice == ty.CHOICE_GRANT, choice.explicit, expires_us)


def collected_from(context: ty.Context, *, imported: bool = False) -> Collected:
    """What of a context is not personal."""
    guardian = context.guardian if context.HasField("guardian") else None
    return Collected(
        context.method,
        context.jurisdiction,
        context.language,
        context.collector,
        context.evidence_sha256,
        int(context.age_band),
        guardian.verification_method if guardian is not None else "",
        imported,
    )


def personal_from(context: ty.Context, reason: str = "") -> bytes:
    """What of an act is personal, serialised for sealing; empty when there is nothing."""
    guardian = context.guardian if context.HasField("guardian") else None
    return ev.ActPersonal(
        ip=context.ip, user_agent=context.user_agent, guardian=guardian, note=context.note, reason=reason
    ).SerializeToString(deterministic=True)


def child_birth_from(context: ty.Context) -> date | None:
    """The child's birth date, if a guardian acts."""
    if not context.HasField("guardian") or not context.guardian.child_birth_date:
        return None
    try:
        return date.fromisoformat(context.guardian.child_birth_date)
    except ValueError:
        raise invalid("context.guardian.child_birth_date", "YYYY-MM-DD") from None
