"""Erasures in tests: recipients that are slow or gone, as the notifier would tell of them; asking how far one is."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.channel import call
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from services.consent.recipients import Told, Unreachable
from services.consent.service import ConsentConfig
from tests.support.consent import NOTICE, TENANT, Ledger, clock, email, ledger, request_id
from tests.support.nats import eventually

ENFORCED, SENT, FAILED = ev.OBLIGATION_STATE_ENFORCED, ev.OBLIGATION_STATE_SENT, ev.OBLIGATION_STATE_FAILED
UNREACHABLE = "nats://127.0.0.1:1"
EMAIL, ADS, SALE = "marketing.email", "ads.targeted", "data.sale"
"""Purposes of the example catalogue: the first needs consent, the others may be used in California until refused."""


class Recipients:
    """Who was told, as the test says."""

    def __init__(self, *obligations: tuple[str, int], reached: bool = True) -> None:
        self.obligations: Sequence[tuple[str, int]] = obligations
        self.reached = reached
        self.away = False
        self.asked: list[tuple[str, int]] = []

    async def told(self, tenant: str, position: int) -> Told:
        """See `services.consent.recipients.Recipients`."""
        self.asked.append((tenant, position))
        if self.away:
            raise Unreachable
        return Told(self.reached, tuple(self.obligations))


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.ahead_us = 0

    def __call__(self) -> int:
        return clock() + self.ahead_us


@asynccontextmanager
async def running(folder: Path, url: str, recipients: Recipients | None = None, **more: Any) -> AsyncIterator[Ledger]:
    """A ledger whose eraser looks often, and whose key store is said to have backups for a week."""
    config = ConsentConfig(rebuild_stream=True, first_tenant=TENANT, erasure_seconds=0.05, key_backup_days=7)
    async with ledger(folder, url, UNREACHABLE, config=config, recipients=recipients, **more) as made:
        yield made


async def refusal(work: Any) -> Reason:
    """Why it was refused."""
    with pytest.raises(LedgerError) as caught:
        await work
    return caught.value.reason


async def grant(consent: Any, name: str, purpose: str = EMAIL, *, place: str = "DE", **context: Any) -> None:
    """A grant."""
    choice = cs.ConsentChoice(purpose=purpose, choice=ty.CHOICE_GRANT)
    request = cs.RecordConsentRequest(
        request_id=request_id(), tenant=TENANT, subject=email(name), choices=[choice], notice_version=NOTICE,
        context=ty.Context(jurisdiction=place, **context),
    )  # fmt: skip
    await call(consent.RecordConsent, request, 10)


async def withdraw(consent: Any, name: str, *purposes: str, **fields: Any) -> None:
    """A withdrawal; of everything, if nothing is named."""
    request = cs.WithdrawConsentRequest(
        request_id=request_id(), tenant=TENANT, subject=email(name), purposes=purposes, **fields
    )
    await call(consent.WithdrawConsent, request, 10)


async def link(consent: Any, left: str, right: str) -> None:
    """A link."""
    request = cs.LinkIdentifiersRequest(request_id=request_id(), tenant=TENANT, left=email(left), right=email(right))
    await call(consent.LinkIdentifiers, request, 10)


async def hold(consent: Any, name: str, *, placed: bool = True) -> None:
    """A legal hold, or its end."""
    kind, rpc = (cs.SetHoldRequest, consent.SetHold) if placed else (cs.LiftHoldRequest, consent.LiftHold)
    await call(rpc, kind(request_id=request_id(), tenant=TENANT, subject=email(name), hold="case-7"), 10)


def erasing(name: str, *, within: int = 0, **fields: Any) -> cs.EraseSubjectRequest:
    """A request to erase, new each time."""
    return cs.EraseSubjectRequest(
        request_id=request_id(), tenant=TENANT, subject=email(name), recipients_within_seconds=within, **fields
    )


async def erase(consent: Any, name: str, *, within: int = 0) -> cs.Erasure:
    """Begin to erase."""
    answer: cs.EraseSubjectResponse = await call(consent.EraseSubject, erasing(name, within=within), 10)
    return answer.erasure


async def how_far(consent: Any, id: str) -> cs.Erasure:
    """GetErasure."""
    answer: cs.GetErasureResponse = await call(
        consent.GetErasure, cs.GetErasureRequest(tenant=TENANT, erasure_id=id), 10
    )
    return answer.erasure


async def ended(consent: Any, id: str, seconds: float = 20.0) -> cs.Erasure:
    """How the erasure ended."""

    async def done() -> bool:
        return (await how_far(consent, id)).state == cs.ERASURE_STATE_ERASED

    await eventually(done, seconds)
    return await how_far(consent, id)


async def why(consent: Any, name: str, purpose: str = EMAIL, place: str = "DE") -> str:
    """`ALLOWED GRANTED`: the answer to a check."""
    question = cs.CheckConsentRequest(tenant=TENANT, subject=email(name), purpose=purpose, jurisdiction=place)
    answer: cs.CheckConsentResponse = await call(consent.CheckConsent, question, 10)
    decision = ty.Decision.Name(answer.decision).removeprefix("DECISION_")
    return f"{decision} {ty.DecisionReason.Name(answer.reason).removeprefix('DECISION_REASON_')}"
