"""Whatever is sent, the answer is a documented status with one reason, quotes nothing, and leaves nothing behind.

The cases come from the descriptors (`tests/support/bad_fields.py`): a new rpc or field without cases fails here.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from consentledger.crypto.keyring import FileKeyring
from consentledger.rpc.channel import connect
from consentledger.rpc.guard import Guard
from consentledger.rpc.server import Server
from consentledger.store.ledger import Store
from consentledger.store.open import migrate_store, open_store
from consentledger.v1.consent_service_pb2 import ImportConsentsResponse
from services.notifier import service as notifier
from services.notifier.projection.tables import MIGRATIONS as NOTIFIER_MIGRATIONS
from tests.support.bad_fields import OK, Bad, bad_bytes, bad_fields
from tests.support.consent import Ledger, clock, ledger
from tests.support.contents import contents
from tests.support.nats import nats_server
from tests.support.rpc_cases import MARK, RawCaller, example, rpcs
from tests.support.signed import signed

PROTOS = Path(__file__).parents[2] / "protos" / "consentledger" / "v1"
DOCUMENTED = dict(re.findall(r"// ERROR_REASON_(\w+): ([A-Z_]+)[;.]", (PROTOS / "errors.proto").read_text()))
"""Reason -> status code, as the contract says."""
LARGER = {"BatchCheckConsent": 4 << 20, "ImportConsents": 4 << 20}
NOTIFIER = ("NotifierService",)
CONSENT = ("ConsentService", "TenantService", "PurposeService", "AuditService")
AT_ONCE = 16


async def outcome(call: RawCaller, rpc: MethodDescriptor, raw: bytes, timeout: float | None = 20.0) -> str:
    """OK or the reason, after the checks that hold for every refusal."""
    try:
        answer = await call(rpc, raw, timeout)
    except grpc.aio.AioRpcError as error:
        details = error.details() or ""
        trailing = error.trailing_metadata()
        statuses = [v for k, v in trailing or () if k == "grpc-status-details-bin" and isinstance(v, bytes)]
        assert len(statuses) == 1, f"{error.code()} without a reason: {details}"
        packed = status_pb2.Status.FromString(statuses[0])
        info = error_details_pb2.ErrorInfo()
        assert len(packed.details) == 1 and packed.details[0].Unpack(info)
        assert info.domain == "consentledger"
        assert DOCUMENTED[info.reason] == error.code().name
        assert packed.message == details and packed.code == error.code().value[0]
        sent = f"{details} {trailing!r}".encode() + bytes(statuses[0])
        assert MARK.encode() not in sent and MARK.upper().encode() not in sent, "the refusal quotes what was sent"
        return str(info.reason)
    if rpc.client_streaming:  # a row's refusal is in the answer
        rejections = [r.reason for r in ImportConsentsResponse.FromString(answer).rejections]
        assert len(rejections) <= 1
        assert MARK.encode() not in answer, "the answer quotes what was sent"
        return rejections[0] if rejections else OK
    return OK


async def matrix(call: RawCaller, services: tuple[str, ...]) -> list[str]:
    """Send everything; what was answered otherwise than it should."""
    wrong: list[str] = []
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(rpc: MethodDescriptor, bad: Bad) -> None:
        async with limit:
            try:
                got = await outcome(call, rpc, bad.raw)
            except AssertionError as error:
                got = str(error)
        if got not in bad.reasons:
            wrong.append(f"{bad.label}: {got}, not {' or '.join(bad.reasons)}")

    for rpc in rpcs(*services):
        request = example(rpc)
        cases = [*bad_fields(rpc, request), *bad_bytes(rpc, request, LARGER.get(rpc.name, 1 << 20))]
        await asyncio.gather(*(one(rpc, bad) for bad in cases))
    return wrong


async def without_a_deadline(call: RawCaller, services: tuple[str, ...]) -> list[str]:
    """Acceptable requests that come without a deadline, or after it: every unary one is refused."""
    wrong = []
    for rpc in rpcs(*services):
        raw = example(rpc).SerializeToString()
        if not (rpc.client_streaming or rpc.server_streaming):
            got = await outcome(call, rpc, raw, None)
            if got != "DEADLINE_REQUIRED":
                wrong.append(f"{rpc.name}: {got}")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(rpc, raw, -1.0)  # never leaves the client, which says so without a reason of ours
        if caught.value.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            wrong.append(f"{rpc.name}: {caught.value.code()} after its deadline")
    return wrong


async def test_no_bad_request_is_answered_undocumented_or_leaves_anything_behind(
    tmp_path: Path, store_url: str
) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        call = RawCaller(running.channel)
        first = next(r for r in rpcs("ConsentService") if r.name == "RecordConsent")
        assert await outcome(call, first, example(first).SerializeToString()) == OK
        before = await contents(running.store)
        assert "\n".join(await matrix(call, CONSENT)) == ""
        assert await without_a_deadline(call, CONSENT) == []
        assert await contents(running.store) == before
        await every_example_is_accepted(call, CONSENT)


async def test_the_notifier_likewise(tmp_path: Path, store_url: str) -> None:
    async with (
        nats_server() as nats,
        ledger(tmp_path, store_url, nats.url, bus=await nats.bus(), catalogue=False) as running,
        notified(tmp_path, store_url, running, await nats.bus("notifier")) as (call, store),
    ):
        before = await contents(store)
        assert "\n".join(await matrix(call, NOTIFIER)) == ""
        assert await without_a_deadline(call, NOTIFIER) == []
        assert await contents(store) == before
        await every_example_is_accepted(call, NOTIFIER)


async def every_example_is_accepted(call: RawCaller, services: tuple[str, ...]) -> None:
    """The control: it was the one change that was refused, not the request around it."""
    for rpc in rpcs(*services):
        expected = {"AcknowledgeObligation": "OBLIGATION_UNKNOWN", "GetErasure": "ERASURE_UNKNOWN"}.get(rpc.name, OK)
        assert await outcome(call, rpc, example(rpc).SerializeToString()) == expected, rpc.name


@contextlib.asynccontextmanager
async def notified(
    folder: Path, store_url: str, running: Ledger, bus: object
) -> AsyncIterator[tuple[RawCaller, Store]]:
    """The notifier beside a ledger: on the same PostgreSQL, or on a file of its own."""
    url = store_url.replace("store.db", "notifier.db")
    if url.startswith("postgresql"):
        await migrate_store(url, "notifier", NOTIFIER_MIGRATIONS)
    store = await open_store(url, "notifier", NOTIFIER_MIGRATIONS)
    provider = FileKeyring.open_or_create(folder / "keyring.json")
    config = notifier.NotifierConfig(rebuild_streams=True)
    async with signed(store, "notifier", provider, folder) as log:
        service = await notifier.build(config, log, bus, running.channel, provider, clock)  # type: ignore[arg-type]
        server = Server(Guard())
        port = server.bind("127.0.0.1:0")
        for descriptor, servicer in service.servicers:
            server.add(descriptor, servicer)
        await server.start()
        await service.start()
        try:
            async with connect(f"127.0.0.1:{port}") as channel:
                yield RawCaller(channel), store
        finally:
            await server.drain(5.0)
            await service.close()
    await store.close()
