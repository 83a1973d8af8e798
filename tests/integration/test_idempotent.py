"""P10: repeating a request with the same request_id returns the first answer and writes nothing. On both stores.

Every rpc with a request_id takes part: they come from the descriptors.
"""

from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from consentledger.rpc.errors import from_rpc_error
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import purpose_service_pb2 as ps
from consentledger.v1 import tenant_service_pb2 as ts
from tests.support.consent import GENERAL, TENANT, Ledger, email, ledger, request_id
from tests.support.contents import contents
from tests.support.nats import nats_server
from tests.support.rpc_cases import RawCaller, at_once, example, fresh_ids, rpcs, writes

IMPORT = next(r for r in rpcs("ConsentService") if r.name == "ImportConsents")


async def position(running: Ledger) -> int:
    """The log's head."""
    return (await running.store.head()).position


async def reason(call: Any) -> str:
    """Why it was refused, under the documented status."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return f"{caught.value.code().name} {from_rpc_error(caught.value).reason}"


def another_body(request: Any) -> None:
    """Change something that the request means."""
    fields = request.DESCRIPTOR.fields_by_name
    if "context" in fields:
        request.context.collector = "another-shop"
    elif "preferences" in fields:
        request.preferences[0].frequency = "daily"
    elif "notice" in fields:
        request.notice.language = "fr"
    elif fields["tenant"].message_type is not None:
        request.tenant.display_name = "another"
    elif fields["purpose"].message_type is not None:
        request.purpose.title = "another"
    else:
        request.purpose = "ads.targeted"


async def test_every_write_repeated_gives_the_first_answer_byte_for_byte_also_after_a_restart(
    tmp_path: Path, store_url: str
) -> None:
    first: list[tuple[MethodDescriptor, bytes, bytes]] = []
    async with nats_server() as nats:
        bus = await nats.bus()
        async with ledger(tmp_path, store_url, nats.url, bus=bus) as running:
            call = RawCaller(running.channel)
            for rpc in writes():
                raw = example(rpc).SerializeToString()
                before = await position(running)
                first.append((rpc, raw, await call(rpc, raw)))
                assert await position(running) > before, f"{rpc.name} wrote nothing, so its repeat would prove nothing"
            before_repeats = await contents(running.store)
            for rpc, raw, answer in first:
                assert await call(rpc, raw) == answer, rpc.name
            assert await contents(running.store) == before_repeats
        async with ledger(tmp_path, store_url, nats.url, bus=bus, catalogue=False) as running:
            call = RawCaller(running.channel)
            for rpc, raw, answer in first:
                assert await call(rpc, raw) == answer, rpc.name
            assert await contents(running.store) == before_repeats


async def test_sixteen_repeats_at_once_are_one_write(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        call = RawCaller(running.channel)
        for rpc in writes():
            request = example(rpc)
            before = await position(running)
            answers = await at_once(*(call(rpc, request.SerializeToString()) for _ in range(16)))
            assert len(set(answers)) == 1 and isinstance(answers[0], bytes), rpc.name
            rows = await running.store.read(
                "SELECT first, last FROM answer WHERE method = $1 AND last > $2", rpc.name, before
            )
            assert rows == [(before + 1, await position(running))], rpc.name


async def test_the_same_id_with_another_body_is_refused_and_writes_nothing(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        call = RawCaller(running.channel)
        for rpc in writes():
            request = example(rpc)
            answer = await call(rpc, request.SerializeToString())
            before = await contents(running.store)
            other = type(request)()
            other.CopyFrom(request)
            another_body(other)
            refused = await reason(call(rpc, other.SerializeToString()))
            assert refused == "ALREADY_EXISTS REQUEST_ID_REUSED", rpc.name
            assert await contents(running.store) == before, rpc.name
            assert await call(rpc, request.SerializeToString()) == answer, rpc.name


async def test_an_id_belongs_to_its_tenant_and_method(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        tenant = ts.CreateTenantRequest(request_id=request_id())
        tenant.tenant.id = "other"
        await running.tenants.CreateTenant(tenant, timeout=10)
        one = request_id()
        before = await position(running)
        for tenant_id in (TENANT, "other"):
            withdrawal = cs.WithdrawConsentRequest(request_id=one, tenant=tenant_id, subject=email("ada"))
            objection = cs.RecordObjectionRequest(request_id=one, tenant=tenant_id, subject=email("ada"))
            await running.consent.WithdrawConsent(withdrawal, timeout=10)
            await running.consent.RecordObjection(objection, timeout=10)
        types = [e.type for e in await running.store.entries(before, 100)]
        assert types == ["subject.opened.v1", "consent.withdrawn.v1", "objection.recorded.v1"] * 2


async def test_a_refusal_is_no_answer_the_same_id_may_try_again(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        grant = cs.RecordConsentRequest(
            request_id=request_id(), tenant=TENANT, subject=email("ada"), notice_version=GENERAL
        )
        grant.choices.add(purpose="new.purpose", choice=1)
        assert await reason(running.consent.RecordConsent(grant, timeout=10)) == "NOT_FOUND PURPOSE_UNKNOWN"
        purpose = ps.CreatePurposeRequest(request_id=request_id(), tenant=TENANT)
        purpose.purpose.id = "new.purpose"
        purpose.purpose.bases.add(regime="gdpr", basis=1)
        await running.purposes.CreatePurpose(purpose, timeout=10)
        before = await position(running)
        answer = await running.consent.RecordConsent(grant, timeout=10)
        assert await position(running) == before + 2  # the person and the choice
        assert await running.consent.RecordConsent(grant, timeout=10) == answer


async def test_imported_rows_carry_an_id_each(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        call = RawCaller(running.channel)
        request: Any = example(IMPORT)
        for number in range(30):
            row = request.rows.add()
            row.CopyFrom(request.rows[0])
            row.subject.id = f"person{number % 5}@example.org"
        fresh_ids(request)
        raw = request.SerializeToString()
        first = cs.ImportConsentsResponse.FromString(await call(IMPORT, raw))
        assert (first.written, first.repeated, first.rejected) == (31, 0, 0)
        before = await contents(running.store)
        answers = [
            cs.ImportConsentsResponse.FromString(a) for a in await at_once(*(call(IMPORT, raw) for _ in range(4)))
        ]
        assert {(a.written, a.repeated, a.rejected) for a in answers} == {(0, 31, 0)}
        assert await contents(running.store) == before
        request.rows[3].consent.explicit = True
        changed = cs.ImportConsentsResponse.FromString(await call(IMPORT, request.SerializeToString()))
        assert (changed.written, changed.repeated, changed.rejected) == (0, 30, 1)
        assert [(r.row, r.reason) for r in changed.rejections] == [(3, "REQUEST_ID_REUSED")]
        assert await contents(running.store) == before


async def test_the_same_row_twice_in_one_message_is_written_once(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        request: Any = example(IMPORT)
        request.rows.add().CopyFrom(request.rows[0])
        answer = await RawCaller(running.channel).send(IMPORT, request)
        assert (answer.written, answer.repeated, answer.rejected) == (1, 1, 0)
