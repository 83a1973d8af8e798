"""Stored entries to domain events, for aggregates to fold.

- A loaded event has no personal part: rules and projections never need it.
- An event type or format that is not known refuses to load; nothing is guessed.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from consentledger.store.commands import FORMAT
from consentledger.store.ledger import Entry
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from services.consent.domain.access import AccessRecorded
from services.consent.domain.catalogue import Catalogue
from services.consent.domain.erasure import HoldChanged, KeyDestroyed, SubjectErased
from services.consent.domain.person import Collected, Person
from services.consent.encoding import CARRIED
from services.consent.wire import micros, notice_from, purpose_from, tenant_from

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CARRIED_KIND = {int(state): int(kind) for kind, state in CARRIED.items()}


class UnknownEvent(Exception):
    """A stored event that this version does not know."""


def load(entry: Entry) -> Any:
    """The domain event of a stored entry."""
    leaf = ev.LedgerEntry.FromString(entry.leaf)
    if leaf.format != FORMAT or leaf.type not in _DECODE:
        raise UnknownEvent(leaf.type)
    common = {
        "originator_id": UUID(bytes=entry.stream),
        "originator_version": entry.version,
        "timestamp": _EPOCH + timedelta(microseconds=entry.recorded_us),
        "position": entry.position,
        "recorded_us": entry.recorded_us,
    }
    return _DECODE[leaf.type](common, leaf)


def _person(common: dict[str, Any], leaf: ev.LedgerEntry, act: ev.Act) -> dict[str, Any]:
    collected = Collected(
        act.method,
        act.jurisdiction,
        act.language,
        act.collector,
        act.evidence_sha256,
        int(act.age_band),
        act.guardian_method,
        act.imported,
    )
    occurred_us = micros(leaf.occurred_at) if leaf.HasField("occurred_at") else None
    return common | {
        "occurred_us": occurred_us,
        "collected": collected,
        "revoked": tuple(act.revoked_purposes),
        "personal": b"",
    }


def _event(event_class: Any, **fields: Any) -> Any:
    return event_class(**fields)


def _load_opened(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    return _event(Person.Created, **common, originator_topic=Person.TOPIC, personal=b"")


def _load_recorded(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    body = leaf.header.consent_recorded
    return _event(
        Person.ConsentRecorded,
        **_person(common, leaf, body.act),
        purpose=body.purpose,
        grant=body.choice == ty.CHOICE_GRANT,
        notice=body.notice_version,
        told_notice=body.told_notice_version,
        explicit=body.explicit,
        expires_us=micros(body.expires_at) if body.HasField("expires_at") else None,
    )


def _load_withdrawn(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    body = leaf.header.consent_withdrawn
    return _event(Person.ConsentWithdrawn, **_person(common, leaf, body.act), purposes=tuple(body.purposes))


def _load_objected(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    body = leaf.header.objection_recorded
    return _event(Person.ObjectionRecorded, **_person(common, leaf, body.act), purposes=tuple(body.purposes))


def _load_signalled(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    body = leaf.header.signal_recorded
    return _event(Person.SignalRecorded, **_person(common, leaf, body.act), kind=int(body.kind), on=body.on)


def _load_restricted(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    body = leaf.header.restriction_changed
    return _event(Person.RestrictionChanged, **_person(common, leaf, body.act), restricted=body.restricted)


def _load_expired(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    body = leaf.header.consent_expired
    fields = _person(common, leaf, body.act)
    return _event(Person.ConsentExpired, **fields, purpose=body.purpose, grant_version=body.grant_version)


def _load_linked(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    body = leaf.header.links_changed
    return _event(
        Person.LinksChanged,
        **_person(common, leaf, body.act),
        members=tuple(body.members),
        pairs=tuple((p.left, p.right) for p in body.pairs),
        carried=tuple((c.purpose, _CARRIED_KIND[int(c.state)], micros(c.effective_at)) for c in body.carried),
        carried_signal=body.carried_signal,
        carried_restriction=body.carried_restriction,
        undone=body.undone,
    )


def _load_preferred(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    kept = leaf.header.preferences_updated.preferences
    return _event(
        Person.PreferencesUpdated,
        **_person(common, leaf, ev.Act()),
        preferences=tuple((p.channel, p.topic, p.frequency, p.language) for p in kept),
    )


def _load_erased(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    body = leaf.header.subject_erased
    return _event(
        SubjectErased,
        **_person(common, leaf, body.act),
        erasure=body.erasure_id,
        suppressed=body.suppressed,
        until_us=micros(body.recipients_until),
    )


def _load_destroyed(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    body = leaf.header.key_destroyed
    return _event(
        KeyDestroyed,
        **_person(common, leaf, ev.Act()),
        erasure=body.erasure_id,
        key_id=body.key_id,
        key_epoch=body.key_epoch,
        destroyed_us=micros(body.destroyed_at),
        cleaned=tuple(body.cleaned),
        backups_until_us=micros(body.backups_until) if body.HasField("backups_until") else None,
        recipients=tuple((r.downstream, int(r.state), r.reason) for r in body.recipients),
    )


def _load_held(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    body = leaf.header.hold_changed
    return _event(HoldChanged, **_person(common, leaf, body.act), hold=body.hold, placed=body.placed)


def _load_accessed(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    body = leaf.header.access_recorded
    said = {"method": body.method, "purpose": body.purpose, "role": body.role, "fields": tuple(body.fields)}
    return _event(AccessRecorded, **_person(common, leaf, ev.Act()), **said)


def _load_tenant(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    tenant = tenant_from(leaf.header.tenant_changed.tenant)
    if leaf.type == Catalogue.Created.TOPIC:
        return _event(Catalogue.Created, **common, originator_topic=Catalogue.TOPIC, tenant=tenant)
    return _event(Catalogue.TenantUpdated, **common, tenant=tenant, revokes=leaf.header.tenant_changed.revokes)


def _load_purpose(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    body = leaf.header.purpose_changed
    return _event(Catalogue.PurposeChanged, **common, purpose=purpose_from(body.purpose), revokes=body.revokes)


def _load_notice(common: dict[str, Any], leaf: ev.LedgerEntry) -> Any:
    body = leaf.header.notice_published
    return _event(Catalogue.NoticePublished, **common, notice=notice_from(body.notice, body.ordinal))


_DECODE: dict[str, Callable[[dict[str, Any], ev.LedgerEntry], Any]] = {
    Person.Created.TOPIC: _load_opened,
    Person.ConsentRecorded.TOPIC: _load_recorded,
    Person.ConsentWithdrawn.TOPIC: _load_withdrawn,
    Person.ObjectionRecorded.TOPIC: _load_objected,
    Person.SignalRecorded.TOPIC: _load_signalled,
    Person.RestrictionChanged.TOPIC: _load_restricted,
    Person.ConsentExpired.TOPIC: _load_expired,
    Person.LinksChanged.TOPIC: _load_linked,
    Person.PreferencesUpdated.TOPIC: _load_preferred,
    SubjectErased.TOPIC: _load_erased,
    KeyDestroyed.TOPIC: _load_destroyed,
    HoldChanged.TOPIC: _load_held,
    AccessRecorded.TOPIC: _load_accessed,
    Catalogue.Created.TOPIC: _load_tenant,
    Catalogue.TenantUpdated.TOPIC: _load_tenant,
    Catalogue.PurposeChanged.TOPIC: _load_purpose,
    Catalogue.NoticePublished.TOPIC: _load_notice,
}
