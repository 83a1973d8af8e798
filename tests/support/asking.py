"""Short ways to ask a running ledger: one person by name, and only what a test is about."""

import time
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from consentledger.rpc import channel
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import purpose_service_pb2 as ps
from consentledger.v1 import types_pb2 as ty
from consentledger.v1.events_pb2 import LedgerEntry
from tests.support.consent import GENERAL, NOTICE, TENANT, Ledger, email, request_id

SECOND = 1_000_000
MAIL = "marketing.email"


class Clock:
    """A clock that stands still until it is moved; starts now."""

    def __init__(self) -> None:
        self.now = time.time_ns() // 1000

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> int:
        """Move it; the new time."""
        self.now += int(seconds * SECOND)
        return self.now


def instant(us: int) -> Timestamp:
    """Microseconds since the epoch as a Timestamp."""
    return Timestamp(seconds=us // SECOND, nanos=us % SECOND * 1000)


async def check(running: Ledger, name: str, purpose: str = MAIL, place: str = "DE", **fields: Any) -> Any:
    """CheckConsent."""
    request = cs.CheckConsentRequest(tenant=TENANT, subject=email(name), purpose=purpose, jurisdiction=place, **fields)
    return await channel.call(running.consent.CheckConsent, request, 10)


async def why(running: Ledger, name: str, purpose: str = MAIL, place: str = "DE", **fields: Any) -> str:
    """`ALLOWED GRANTED` or the like; the decision must agree with the reason."""
    answer = await check(running, name, purpose, place, **fields)
    return f"{ty.Decision.Name(answer.decision)[9:]} {ty.DecisionReason.Name(answer.reason)[16:]}"


async def grant(running: Ledger, name: str, *purposes: str, deny: bool = False, **fields: Any) -> Any:
    """RecordConsent, for `MAIL` unless told otherwise; the notice speaks of what is granted."""
    notice = NOTICE if set(purposes) <= {MAIL} else GENERAL
    choice: dict[str, Any] = {k: fields.pop(k) for k in ("expires_at", "explicit") if k in fields}
    request = cs.RecordConsentRequest(
        **{"request_id": request_id(), "tenant": TENANT, "notice_version": notice, **fields}, subject=email(name)
    )
    for purpose in purposes or (MAIL,):
        request.choices.add(purpose=purpose, choice=ty.CHOICE_DENY if deny else ty.CHOICE_GRANT, **choice)
    return await channel.call(running.consent.RecordConsent, request, 10)


async def withdraw(running: Ledger, name: str, *purposes: str, **fields: Any) -> Any:
    """WithdrawConsent."""
    request = cs.WithdrawConsentRequest(
        request_id=request_id(), tenant=TENANT, subject=email(name), purposes=purposes, **fields
    )
    return await channel.call(running.consent.WithdrawConsent, request, 10)


async def act(running: Ledger, method: str, **fields: Any) -> Any:
    """Any other write of the consent service, by its name."""
    request = getattr(cs, f"{method}Request")(request_id=request_id(), tenant=TENANT, **fields)
    return await channel.call(getattr(running.consent, method), request, 10)


async def states(running: Ledger, name: str, **fields: Any) -> dict[str, str]:
    """GetConsentState: what stands, by purpose; UNKNOWN left out."""
    request = cs.GetConsentStateRequest(tenant=TENANT, subject=email(name), **fields)
    answer = await channel.call(running.consent.GetConsentState, request, 10)
    named = {s.purpose: ty.ConsentState.Name(s.state)[14:] for s in answer.states}
    return {purpose: state for purpose, state in named.items() if state != "UNKNOWN"}


async def define(running: Ledger, purpose: str, **bases: str) -> None:
    """Create or replace a purpose with a basis under each regime: `gdpr="CONSENT"`."""
    request = ps.UpdatePurposeRequest(request_id=request_id(), tenant=TENANT)
    request.purpose.id = purpose
    for regime, basis in bases.items():
        request.purpose.bases.add(regime=regime.replace("_", "-"), basis=ty.LegalBasis.Value(f"LEGAL_BASIS_{basis}"))
    there = ps.ListPurposesRequest(tenant=TENANT, page_size=1000)
    known = {p.id for p in (await channel.call(running.purposes.ListPurposes, there, 10)).purposes}
    if purpose in known:
        await channel.call(running.purposes.UpdatePurpose, request, 10)
    else:
        created = ps.CreatePurposeRequest(request_id=request.request_id, tenant=TENANT, purpose=request.purpose)
        await channel.call(running.purposes.CreatePurpose, created, 10)


async def newest(running: Ledger, kind: str) -> Any:
    """The header of the newest event of a type."""
    found = await running.store.entries(0, 10_000, types=[kind])
    header = LedgerEntry.FromString(found[-1].leaf).header
    return getattr(header, header.WhichOneof("kind") or "")
