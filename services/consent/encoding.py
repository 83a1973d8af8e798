"""New domain events to drafts of leaves. Names and numbers here are on disk for ever. Reading back: `decoding`."""

from collections.abc import Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from consentledger.crypto.envelope import DataKey
from consentledger.store.commands import Draft
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from services.consent.domain.access import AccessRecorded
from services.consent.domain.acts import Kind
from services.consent.domain.catalogue import Catalogue
from services.consent.domain.decision import State
from services.consent.domain.erasure import HoldChanged, KeyDestroyed, SubjectErased
from services.consent.domain.person import Person, PersonEvent
from services.consent.wire import notice_to, number, purpose_to, stamp, tenant_to

CARRIED = {Kind.DENY: State.DENIED, Kind.WITHDRAW: State.WITHDRAWN, Kind.OBJECT: State.OBJECTED}
"""How the kind of a carried act is written."""


def draft(tenant: str, event: Any, key: DataKey | None) -> Draft:
    """The draft of a new event; `key` seals its personal part, if it has one."""
    header = ev.EventHeader()
    _ENCODE[type(event)](header, event)
    personal = getattr(event, "personal", b"")
    return Draft(
        tenant=tenant,
        stream=event.originator_id.bytes,
        version=event.originator_version,
        position=event.position,
        recorded_us=event.recorded_us,
        occurred_us=getattr(event, "occurred_us", None),
        type=type(event).TOPIC,
        header=header,
        personal=personal,
        key=key if personal else None,
        event=event,
    )


def _act(act: ev.Act, event: PersonEvent) -> None:
    collected = event.collected
    act.revoked_purposes.extend(event.revoked)
    act.method = collected.method
    act.jurisdiction = collected.jurisdiction
    act.language = collected.language
    act.collector = collected.collector
    act.evidence_sha256 = collected.evidence_sha256
    act.age_band = number(collected.age_band)
    act.guardian_method = collected.guardian_method
    act.imported = collected.imported


def _opened(header: ev.EventHeader, event: Any) -> None:
    header.subject_opened.SetInParent()


def _recorded(header: ev.EventHeader, event: Any) -> None:
    body = header.consent_recorded
    _act(body.act, event)
    body.purpose = event.purpose
    body.choice = ty.CHOICE_GRANT if event.grant else ty.CHOICE_DENY
    body.notice_version = event.notice
    body.told_notice_version = event.told_notice
    body.explicit = event.explicit
    _set(body.expires_at, event.expires_us)


def _withdrawn(header: ev.EventHeader, event: Any) -> None:
    _act(header.consent_withdrawn.act, event)
    header.consent_withdrawn.purposes.extend(event.purposes)


def _objected(header: ev.EventHeader, event: Any) -> None:
    _act(header.objection_recorded.act, event)
    header.objection_recorded.purposes.extend(event.purposes)


def _signalled(header: ev.EventHeader, event: Any) -> None:
    _act(header.signal_recorded.act, event)
    header.signal_recorded.kind = number(event.kind)
    header.signal_recorded.on = event.on


def _restricted(header: ev.EventHeader, event: Any) -> None:
    _act(header.restriction_changed.act, event)
    header.restriction_changed.restricted = event.restricted


def _expired(header: ev.EventHeader, event: Any) -> None:
    _act(header.consent_expired.act, event)
    header.consent_expired.purpose = event.purpose
    header.consent_expired.grant_version = event.grant_version


def _linked(header: ev.EventHeader, event: Any) -> None:
    body = header.links_changed
    _act(body.act, event)
    body.members.extend(event.members)
    for left, right in event.pairs:
        body.pairs.add(left=left, right=right)
    for purpose, kind, effective_us in event.carried:
        state = number(CARRIED[Kind(kind)])
        _set(body.carried.add(purpose=purpose, state=state).effective_at, effective_us)
    body.undone = event.undone
    body.carried_signal = event.carried_signal
    body.carried_restriction = event.carried_restriction


def _preferred(header: ev.EventHeader, event: Any) -> None:
    header.preferences_updated.SetInParent()
    for channel, topic, frequency, language in event.preferences:
        header.preferences_updated.preferences.add(channel=channel, topic=topic, frequency=frequency, language=language)


def _erased(header: ev.EventHeader, event: Any) -> None:
    body = header.subject_erased
    _act(body.act, event)
    body.erasure_id = event.erasure
    body.suppressed = event.suppressed
    stamp(body.recipients_until, event.until_us)


def _destroyed(header: ev.EventHeader, event: Any) -> None:
    body = header.key_destroyed
    body.erasure_id = event.erasure
    body.key_id = event.key_id
    body.key_epoch = event.key_epoch
    stamp(body.destroyed_at, event.destroyed_us)
    body.cleaned.extend(event.cleaned)
    _set(body.backups_until, event.backups_until_us)
    for downstream, state, reason in event.recipients:
        body.recipients.add(downstream=downstream, state=number(state), reason=reason)


def _held(header: ev.EventHeader, event: Any) -> None:
    _act(header.hold_changed.act, event)
    header.hold_changed.hold = event.hold
    header.hold_changed.placed = event.placed


def _accessed(header: ev.EventHeader, event: Any) -> None:
    body = header.access_recorded
    body.person = event.originator_id.bytes
    body.method = event.method
    body.purpose = event.purpose
    body.role = event.role
    body.fields.extend(event.fields)


def _tenant(header: ev.EventHeader, event: Any) -> None:
    header.tenant_changed.tenant.CopyFrom(tenant_to(event.tenant))
    header.tenant_changed.revokes = getattr(event, "revokes", False)


def _purpose(header: ev.EventHeader, event: Any) -> None:
    header.purpose_changed.purpose.CopyFrom(purpose_to(event.purpose))
    header.purpose_changed.revokes = event.revokes


def _notice(header: ev.EventHeader, event: Any) -> None:
    header.notice_published.notice.CopyFrom(notice_to(event.notice))
    header.notice_published.ordinal = event.notice.ordinal


def _set(field: Timestamp, us: int | None) -> None:
    if us is not None:
        stamp(field, us)


_ENCODE: dict[type, Callable[[ev.EventHeader, Any], None]] = {
    Person.Created: _opened,
    Person.ConsentRecorded: _recorded,
    Person.ConsentWithdrawn: _withdrawn,
    Person.ObjectionRecorded: _objected,
    Person.SignalRecorded: _signalled,
    Person.RestrictionChanged: _restricted,
    Person.ConsentExpired: _expired,
    Person.LinksChanged: _linked,
    Person.PreferencesUpdated: _preferred,
    SubjectErased: _erased,
    KeyDestroyed: _destroyed,
    HoldChanged: _held,
    AccessRecorded: _accessed,
    Catalogue.Created: _tenant,
    Catalogue.TenantUpdated: _tenant,
    Catalogue.PurposeChanged: _purpose,
    Catalogue.NoticePublished: _notice,
}
