"""People who give their consent and take it back, over and over, at a service that may be killed meanwhile."""

import asyncio
import time
from typing import Any

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.channel import call
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty
from tests.support.consent import NOTICE, request_id
from tests.support.nats import eventually

EMAIL, SMS = "marketing.email", "marketing.sms"
REVOCATIONS_EACH = 5
_TRY_AGAIN = {Reason.STORE_UNAVAILABLE, Reason.SHUTTING_DOWN, Reason.DEADLINE_EXCEEDED, Reason.OVERLOADED}
_PATIENCE_SECONDS = 60.0


async def insist(rpc: Any, request: Any) -> Any:
    """Repeat a call, a write with its request_id, until somebody answers."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return await call(rpc, request, 5)
        except LedgerError as refusal:
            if refusal.reason not in _TRY_AGAIN or time.monotonic() > end:
                raise
        await asyncio.sleep(0.02)


class People:
    """Each revokes five times; several act at once, each one in order."""

    def __init__(self, consent: Any, tenant: str, count: int, *, at_once: int = 16) -> None:
        self._consent = consent
        self._tenant = tenant
        self._count = count
        self._at_once = at_once
        self.revoked = 0
        """Acknowledged revocations."""
        self.allowed = 1.0
        """They wait when this share of the work is done, so that it is not over before what it must survive."""

    @property
    def share(self) -> float:
        """How much of the work is done, 0 to 1."""
        return self.revoked / (self._count * REVOCATIONS_EACH)

    async def run(self) -> None:
        """Play everybody."""
        numbers = iter(range(self._count))

        async def some() -> None:
            for number in numbers:
                await self._one(ty.SubjectRef(namespace="email", id=f"person-{number}@example.org"))

        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_once):
                group.create_task(some())

    async def _one(self, person: ty.SubjectRef) -> None:
        await self._choose(person, ty.CHOICE_GRANT, EMAIL, SMS)
        await self._withdraw(person, EMAIL)
        await self._withdraw(person, SMS)
        await self._choose(person, ty.CHOICE_GRANT, EMAIL)
        await self._withdraw(person)
        await self._choose(person, ty.CHOICE_GRANT, EMAIL)
        await self._choose(person, ty.CHOICE_DENY, EMAIL)
        self.revoked += 1
        await self._choose(person, ty.CHOICE_GRANT, SMS)
        await self._withdraw(person, SMS)

    async def _choose(self, person: ty.SubjectRef, choice: ty.Choice, *purposes: str) -> None:
        await self._turn()
        choices = [cs.ConsentChoice(purpose=purpose, choice=choice) for purpose in purposes]
        request = cs.RecordConsentRequest(
            request_id=request_id(), tenant=self._tenant, subject=person, choices=choices, notice_version=NOTICE,
            context=ty.Context(jurisdiction="DE"),
        )  # fmt: skip
        await insist(self._consent.RecordConsent, request)

    async def _withdraw(self, person: ty.SubjectRef, *purposes: str) -> None:
        await self._turn()
        request = cs.WithdrawConsentRequest(
            request_id=request_id(), tenant=self._tenant, subject=person, purposes=purposes
        )
        await insist(self._consent.WithdrawConsent, request)
        self.revoked += 1

    async def _turn(self) -> None:
        await eventually(lambda: self.share < self.allowed, _PATIENCE_SECONDS)
