"""P10 when the durable write fails, in both ways: not applied, and applied but reported failed.

The caller is told UNAVAILABLE, repeats the request with the same request_id, and gets the one answer; the log holds it
once. Every rpc with a request_id takes part, and rows of an import.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import grpc
import pytest

from consentledger.v1 import consent_service_pb2 as cs
from tests.integration.test_idempotent import IMPORT, position, reason
from tests.support.consent import Ledger, ledger
from tests.support.contents import contents
from tests.support.failing_store import FailingStore, Failure, failing_stores
from tests.support.nats import nats_server
from tests.support.rpc_cases import RawCaller, example, fresh_ids, rpcs, writes
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.fault
BOTH: Sequence[Failure] = ("not applied", "applied")
RECORD = next(r for r in rpcs("ConsentService") if r.name == "RecordConsent")


@contextlib.asynccontextmanager
async def once(running: Ledger) -> AsyncIterator[RawCaller]:
    """A caller whose channel does not try again by itself."""
    async with grpc.aio.insecure_channel(running.address, options=(("grpc.enable_retries", 0),)) as channel:
        yield RawCaller(channel)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[FailingStore]:
    """The stores that `ledger` opens, each of which can be told to fail."""
    return failing_stores(monkeypatch)


@pytest.mark.parametrize("how", BOTH)
async def test_a_write_whose_commit_failed_is_repeated_and_happened_once(
    tmp_path: Path, store_url: str, failing: list[FailingStore], how: Failure
) -> None:
    async with (
        nats_server() as nats,
        ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running,
        once(running) as call,
    ):
        for rpc in writes():
            raw = example(rpc).SerializeToString()
            before = await position(running)
            failing[0].fail(how)
            assert await reason(call(rpc, raw)) == "UNAVAILABLE STORE_UNAVAILABLE", rpc.name
            between = await position(running)
            assert (between > before) is (how == "applied"), rpc.name
            answer = await call(rpc, raw)
            after = await position(running)
            assert after > before and (after == between) is (how == "applied"), rpc.name
            rows = await running.store.read(
                "SELECT first, last, answer FROM answer WHERE method = $1 AND last > $2", rpc.name, before
            )
            assert rows == [(before + 1, after, answer)], rpc.name
            assert await call(rpc, raw) == answer and await position(running) == after, rpc.name
        assert failing[0].failures == len(list(writes()))


@pytest.mark.parametrize("how", BOTH)
async def test_an_import_that_failed_midway_is_sent_again_and_writes_what_is_missing(
    tmp_path: Path, store_url: str, failing: list[FailingStore], how: Failure
) -> None:
    async with (
        nats_server() as nats,
        ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running,
        once(running) as call,
    ):
        request: Any = example(IMPORT)
        for number in range(20):
            request.rows.add().CopyFrom(request.rows[0])
            request.rows[-1].subject.id = f"person{number}@example.org"
        fresh_ids(request)
        before = await position(running)
        failing[0].fail(how)
        assert await reason(call(IMPORT, request.SerializeToString())) == "UNAVAILABLE STORE_UNAVAILABLE"
        answer: cs.ImportConsentsResponse = await call.send(IMPORT, request)
        assert answer.written + answer.repeated == 21 and answer.rejected == 0
        assert answer.repeated > 0 or how == "not applied"
        assert await position(running) == before + 42  # a person and a choice each
        full = await contents(running.store)
        again: cs.ImportConsentsResponse = await call.send(IMPORT, request)
        assert (again.written, again.repeated, again.rejected) == (0, 21, 0)
        assert await contents(running.store) == full


async def test_the_channels_own_retry_gets_the_one_answer_unnoticed(
    tmp_path: Path, store_url: str, failing: list[FailingStore]
) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        before = await position(running)
        for how in BOTH:
            failing[0].fail(how)
            await RawCaller(running.channel)(RECORD, example(RECORD).SerializeToString())
        assert failing[0].failures == 2
        assert await position(running) == before + 3  # one person, two choices


@pytest.mark.parametrize("how", BOTH)
async def test_a_connection_lost_at_commit_likewise(tmp_path: Path, postgres_url: str, how: Failure) -> None:
    parts = urlsplit(postgres_url)
    async with TcpProxy(parts.hostname or "", parts.port or 5432) as proxy, nats_server() as nats:
        netloc = f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}"
        through = urlunsplit(parts._replace(netloc=netloc, query="sslmode=disable"))
        async with ledger(tmp_path, through, nats.url, bus=await nats.bus()) as running, once(running) as call:
            for _ in range(5):
                raw = example(RECORD).SerializeToString()
                before = await position(running)
                (proxy.cut_after if how == "applied" else proxy.cut_before)(b"COMMIT\0")
                try:
                    await call(RECORD, raw)
                except grpc.aio.AioRpcError as error:
                    assert error.code() is grpc.StatusCode.UNAVAILABLE
                    break  # else the order went to the outbox's mark, which commits now and then
            assert proxy.cuts
            assert (await position(running) > before) is (how == "applied")
            answer = await call(RECORD, raw)
            [(first, last, kept)] = await running.store.read(
                "SELECT first, last, answer FROM answer WHERE last > $1", before
            )
            assert (first, last, kept) == (before + 1, await position(running), answer)
