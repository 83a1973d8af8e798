"""Checks of several tenants share a query; each is decided under the catalogue of its own tenant."""

import asyncio
from pathlib import Path

from consentledger.rpc.channel import call
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import purpose_service_pb2 as ps
from consentledger.v1 import tenant_service_pb2 as ts
from services.consent.projection.reading import read
from tests.support.asking import MAIL, define, grant, why
from tests.support.consent import TENANT, Ledger, email, ledger, request_id

UNREACHABLE = "nats://127.0.0.1:1"


async def add_tenant(running: Ledger, name: str) -> None:
    request = ts.CreateTenantRequest(request_id=request_id())
    request.tenant.id = name
    await call(running.tenants.CreateTenant, request, 10)


async def ask(running: Ledger, name: str) -> None:
    question = cs.CheckConsentRequest(tenant="another", subject=email(name), purpose="none", jurisdiction="DE")
    await call(running.consent.CheckConsent, question, 10)  # refused: that tenant has no purposes


async def test_each_question_carries_its_own_tenants_catalogue_version(tmp_path: Path, store_url: str) -> None:
    async with ledger(tmp_path, store_url, UNREACHABLE) as running:
        await add_tenant(running, "another")
        questions = [("another", b"", MAIL), (TENANT, b"", MAIL), ("nobody", b"", MAIL), (TENANT, b"", MAIL)]
        versions = [found.catalogue_version for found in await read(running.store, questions)]
        assert versions[0] == 1
        assert versions[1] == versions[3] > 30
        assert versions[2] == 0


async def test_a_retired_purpose_is_never_allowed_while_another_tenant_asks(tmp_path: Path, store_url: str) -> None:
    async with ledger(tmp_path, store_url, UNREACHABLE) as running:
        await add_tenant(running, "another")
        stop = asyncio.Event()

        async def load() -> None:
            while not stop.is_set():
                await asyncio.gather(*(ask(running, f"p{n}") for n in range(8)), return_exceptions=True)

        loading = asyncio.create_task(load())
        try:
            for n in range(10):
                purpose = f"use.{n}"
                await define(running, purpose, gdpr="CONSENT")
                await grant(running, "ada", purpose)
                assert await why(running, "ada", purpose) == "ALLOWED GRANTED"
                retire = ps.RetirePurposeRequest(request_id=request_id(), tenant=TENANT, purpose=purpose)
                await call(running.purposes.RetirePurpose, retire, 10)
                assert await why(running, "ada", purpose) == "NOT_ALLOWED PURPOSE_RETIRED"
        finally:
            stop.set()
            await loading
