"""One small history for each log, as domain events with fixed ids, times and places: every type, every field set once.

Made by hand and not by the rules, so that a new rule changes nothing here. Append only: what stands here stands for
events on somebody's disk.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from consentledger.store.ledger import Head
from consentledger.store.newepoch import Begun
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from services.consent.domain.access import AccessRecorded
from services.consent.domain.acts import Kind
from services.consent.domain.catalogue import Basis, Catalogue, NoticeDef, PurposeDef, TenantDef, catalogue_stream
from services.consent.domain.erasure import HoldChanged, KeyDestroyed, SubjectErased
from services.consent.domain.person import Collected, Person
from services.notifier.domain.downstream import DownstreamDef, Downstreams, WebhookDef, downstreams_stream
from services.notifier.domain.obligation import Evidence, Obligation, obligation_stream

TENANT = "acme"
ADA, BEN, CEM = UUID(int=0xADA << 96), UUID(int=0xBE << 100), UUID(int=0xCE << 100)
START_US = 1_767_225_600_123_456
"""2026-01-01T00:00:00.123456Z, the time of the first event; each later one comes a minute later."""
MINUTE_US = 60_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOW = Collected("signed-form", "DE-BY", "de-AT", "shop.checkout", bytes(range(32)), 2, "card", True)


class Log:
    """Gives each event its place in the log and in its stream, and its time."""

    def __init__(self) -> None:
        self.position = 0
        self._versions: dict[UUID, int] = {}

    def __call__(self, event_class: Any, stream: UUID, **fields: Any) -> Any:
        """The next event."""
        self.position += 1
        version = self._versions[stream] = self._versions.get(stream, 0) + 1
        recorded_us = at(self.position)
        common = {
            "originator_id": stream,
            "originator_version": version,
            "timestamp": _EPOCH + timedelta(microseconds=recorded_us),
            "position": self.position,
            "recorded_us": recorded_us,
        }
        return event_class(**common, **fields)


def at(position: int) -> int:
    """The time of the event at a position."""
    return START_US + (position - 1) * MINUTE_US


def _opened(name: str) -> bytes:
    subject = ty.SubjectRef(namespace="email", id=f"{name}@example.org")
    return ev.SubjectOpenedPersonal(subject=subject).SerializeToString(deterministic=True)


def _personal(**fields: Any) -> bytes:
    return ev.ActPersonal(**fields).SerializeToString(deterministic=True)


def _act(**fields: Any) -> dict[str, Any]:
    return {"occurred_us": None, "collected": Collected(), "revoked": (), "personal": b"", **fields}


def consent() -> Iterator[Any]:
    """The consent service's log."""
    log, acme = Log(), catalogue_stream(TENANT)
    tenant = TenantDef(TENANT, "Acme & Töchter", "DE", 1)
    yield log(Catalogue.Created, acme, originator_topic=Catalogue.TOPIC, tenant=tenant)
    yield log(Catalogue.TenantUpdated, acme, tenant=TenantDef(TENANT, "Acme", "AT", 2), revokes=True)
    news = PurposeDef(
        id="marketing.email",
        bases={"gdpr": Basis.CONSENT, "ccpa": Basis.OPT_OUT},
        title="Newsletter",
        description="Send news.",
        dpv_iri="https://w3id.org/dpv#DirectMarketing",
        data_categories=("email-address", "name"),
        special_category=True,
        directed_at_children=True,
        sector_regimes=("hipaa",),
        retention="P2Y",
        kept_by_law=True,
        retired=True,
        version=3,
        notice_id="marketing",
    )
    yield log(Catalogue.PurposeChanged, acme, purpose=news, revokes=True)
    plain = PurposeDef(id="analytics.web", bases={"gdpr": Basis.LEGITIMATE_INTEREST}, version=1)
    yield log(Catalogue.PurposeChanged, acme, purpose=plain, revokes=False)
    notice = NoticeDef(
        "marketing", "m-1", "de", bytes(range(32, 64)), "Wir schreiben Ihnen.", True, (news.id,), 7, START_US
    )
    yield log(Catalogue.NoticePublished, acme, notice=notice)
    for person, name in ((ADA, "ada"), (BEN, "ben")):
        yield log(Person.Created, person, originator_topic=Person.TOPIC, personal=_opened(name))
    guardian = ty.Guardian(
        subject=ty.SubjectRef(namespace="crm", id="4711"), verification_method="card", child_birth_date="2015-03-09"
    )
    yield log(
        Person.ConsentRecorded,
        ADA,
        **_act(
            occurred_us=START_US - 1,
            collected=_HOW,
            personal=_personal(ip="192.0.2.7", user_agent="Browser/1", guardian=guardian, note="by post"),
        ),
        purpose=news.id,
        grant=True,
        notice="m-1",
        told_notice="",
        explicit=True,
        expires_us=START_US + 20 * MINUTE_US,
    )
    choice = {"notice": "", "told_notice": "paper-1999", "explicit": False, "expires_us": None}
    yield log(Person.ConsentRecorded, ADA, **_act(), purpose=plain.id, grant=False, **choice)
    yield log(
        Person.ConsentWithdrawn,
        ADA,
        **_act(occurred_us=-1, revoked=(news.id,), personal=_personal(reason="too much")),
        purposes=(news.id, plain.id),
    )
    yield log(Person.ConsentWithdrawn, BEN, **_act(revoked=("*",)), purposes=())
    yield log(Person.ObjectionRecorded, BEN, **_act(revoked=(plain.id,)), purposes=(plain.id,))
    yield log(Person.SignalRecorded, BEN, **_act(collected=Collected(jurisdiction="US-CA")), kind=1, on=True)
    yield log(Person.SignalRecorded, BEN, **_act(), kind=1, on=False)
    yield log(Person.RestrictionChanged, BEN, **_act(revoked=(news.id,)), restricted=True)
    yield log(Person.RestrictionChanged, BEN, **_act(), restricted=False)
    renewed = {"notice": "m-1", "told_notice": "", "explicit": False, "expires_us": at(18)}
    yield log(Person.ConsentRecorded, ADA, **_act(), purpose=news.id, grant=True, **renewed)
    yield log(Person.ConsentExpired, ADA, **_act(revoked=(news.id,)), purpose=news.id, grant_version=5)
    pair = tuple(sorted((ADA.bytes, BEN.bytes)))
    nothing = {"carried": (), "carried_signal": False, "carried_restriction": False}
    yield log(Person.LinksChanged, ADA, **_act(), members=(BEN.bytes,), pairs=(pair,), **nothing, undone=False)
    carried = (("*", Kind.DENY, START_US), (news.id, Kind.WITHDRAW, START_US + 1), (plain.id, Kind.OBJECT, at(9)))
    taken = {"carried": carried, "carried_signal": True, "carried_restriction": True}
    yield log(Person.LinksChanged, ADA, **_act(), members=(), pairs=(), **taken, undone=True)
    wanted = (("email", "news", "weekly", "de"), ("sms", "news", "", ""))
    yield log(Person.PreferencesUpdated, ADA, **_act(), preferences=wanted)
    reader = ev.AccessPersonal(actor="ines@example.org").SerializeToString(deterministic=True)
    said = {"method": "GetSubjectHistory", "purpose": "audit", "role": "auditor", "fields": ("events", "sealed")}
    yield log(AccessRecorded, BEN, **_act(personal=reader), **said)
    case = {"collected": Collected(collector="legal"), "personal": _personal(reason="a case", note="by letter")}
    yield log(HoldChanged, BEN, **_act(**case), hold="Case_1.a", placed=True)
    yield log(HoldChanged, BEN, **_act(), hold="Case_1.a", placed=False)
    yield log(Person.Created, CEM, originator_topic=Person.TOPIC, personal=_opened("cem"))
    erasure = bytes(range(16))
    asked = {"erasure": erasure, "suppressed": True, "until_us": at(60)}
    yield log(SubjectErased, CEM, **_act(collected=_HOW, revoked=("*",), personal=_personal(note="by post")), **asked)
    gone = {"key_id": bytes(range(64, 96)), "key_epoch": 3, "destroyed_us": at(30), "cleaned": ("keystore", "memory")}
    told = (("crm", 0, "deadline"), ("mailer", 4, ""))
    yield log(KeyDestroyed, CEM, **_act(), erasure=erasure, **gone, backups_until_us=at(90), recipients=told)


def notifier() -> Iterator[Any]:
    """The notifier's log."""
    log, list_ = Log(), downstreams_stream(TENANT)
    mailer = DownstreamDef("mailer", 2, ("marketing.email",), "email", "Der Mailer", True, 3_600, 1)
    yield log(Downstreams.Created, list_, originator_topic=Downstreams.TOPIC, downstream=mailer)
    yield log(Downstreams.Changed, list_, downstream=DownstreamDef("warehouse", 1, ("*",), "crm", version=1))
    mail = {"downstream": "mailer", "ledger_position": 10}
    first = obligation_stream(TENANT, "mailer", 10)
    revoked = {"event_type": "consent.withdrawn.v1", "revoked_us": START_US, "due_us": START_US + 3_600_000_000}
    made = {"originator_topic": Obligation.TOPIC, "tenant": TENANT, **revoked}
    yield log(Obligation.Created, first, **made, **mail, person=ADA.bytes, purposes=("marketing.email",))
    yield log(Obligation.Sent, first, **mail, dispatch=1)
    yield log(Obligation.Received, first, **mail, evidence=Evidence(received_us=START_US + 1))
    failed = Evidence(failure_reason="timeout", received_us=START_US + 2)
    yield log(Obligation.Failed, first, **mail, evidence=failed)
    enforced = Evidence(START_US, "suppressed", 3, "", START_US + 3)
    yield log(Obligation.Enforced, first, **mail, evidence=enforced)
    everybody = {"downstream": "warehouse", "ledger_position": 3}
    second = obligation_stream(TENANT, "warehouse", 3)
    yield log(Obligation.Created, second, **made, **everybody, person=b"", purposes=("*",))
    dead = Evidence(failure_reason="gone", received_us=START_US + 4)
    yield log(Obligation.Dead, second, **everybody, evidence=dead)
    hook = WebhookDef("https://hooks.example.org/consent", True, 3, 1, at(86_400))
    shop = DownstreamDef("shop", 3, ("*",), "email", paused=True, version=4, webhook=hook)
    yield log(Downstreams.Changed, list_, downstream=shop)


def new_epoch() -> tuple[Begun, bytes, str, bytes, Head, int]:
    """A log that went on under a new name: what its draft is made of."""
    begun = Begun("ledger.example/consent/0000000000000001", "ledger.example/consent/0000000000000002", 12, 9)
    return begun, bytes(range(32)), "the disk was lost", bytes(range(16)), Head(9, at(9), 1), at(10)
