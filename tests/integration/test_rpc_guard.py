"""The guard on the wire: what a caller sends, what a handler raises, and what the caller then sees.

Every call goes through a real server on loopback, with the contract's own ConsentService and raw bytes on the client's
side, so that a test can send what no generated stub would.
"""

import asyncio
import io
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace import TracerProvider

from consentledger import journal
from consentledger.errors import LedgerError, Reason
from consentledger.rpc.call import Call
from consentledger.rpc.channel import connect
from consentledger.rpc.errors import from_rpc_error
from consentledger.rpc.guard import Guard
from consentledger.rpc.server import Server
from consentledger.v1 import consent_service_pb2 as pb
from consentledger.v1 import types_pb2

SERVICE = pb.DESCRIPTOR.services_by_name["ConsentService"]
CHECK = f"{SERVICE.full_name}/CheckConsent"
PERSONAL = "ada@example.org"
REQUEST = pb.CheckConsentRequest(tenant="default", purpose="marketing.email").SerializeToString()
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"

Handlers = dict[str, Callable[..., Any]]


class Client:
    """Calls that send and receive bytes."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        # The stubs know no channel without serializers.
        self.channel: Any = channel

    async def check(self, raw: bytes = REQUEST, timeout: float | None = 10.0, **options: Any) -> bytes:
        answer: bytes = await self.channel.unary_unary(f"/{CHECK}")(raw, timeout=timeout, **options)
        return answer

    async def unary(self, method: str, raw: bytes) -> bytes:
        answer: bytes = await self.channel.unary_unary(f"/{SERVICE.full_name}/{method}")(raw, timeout=10.0)
        return answer

    def watch(self, raw: bytes = b"", timeout: float | None = None) -> Any:
        return self.channel.unary_stream(f"/{SERVICE.full_name}/WatchConsent")(raw, timeout=timeout)

    def load(self, messages: AsyncIterator[bytes], timeout: float | None = None) -> Any:
        return self.channel.stream_unary(f"/{SERVICE.full_name}/ImportConsents")(messages, timeout=timeout)


def servicer(handlers: Handlers) -> object:
    """A ConsentService of these handlers; every other method refuses."""

    async def refuse(request: Any, call: Call) -> Any:
        raise LedgerError(Reason.NOT_IMPLEMENTED)

    async def refuse_stream(request: Any, call: Call) -> AsyncIterator[Any]:
        raise LedgerError(Reason.NOT_IMPLEMENTED)
        yield

    methods = {rpc.name: refuse_stream if rpc.server_streaming else refuse for rpc in SERVICE.methods} | handlers
    return type("Tiny", (), {name: staticmethod(handler) for name, handler in methods.items()})()


@asynccontextmanager
async def serving(guard: Guard | None = None, /, **handlers: Callable[..., Any]) -> AsyncIterator[tuple[Client, Guard]]:
    guard = guard or Guard()
    server = Server(guard)
    server.add(SERVICE, servicer(handlers))
    port = server.bind("127.0.0.1:0")
    await server.start()
    try:
        async with connect(f"127.0.0.1:{port}") as channel:
            yield Client(channel), guard
    finally:
        await server.drain(0)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


async def refused(call: Awaitable[Any]) -> LedgerError:
    """The refusal, which must be complete: a code, a sentence, and one ErrorInfo of ours."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    trailing = caught.value.trailing_metadata()
    assert trailing is not None and len(trailing.get_all("grpc-status-details-bin")) == 1
    return from_rpc_error(caught.value)


async def until(condition: Callable[[], bool]) -> None:
    """Wait, at most five seconds, for what must come true."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        await asyncio.sleep(0.005)


async def allow(request: Any, call: Call) -> Any:
    return pb.CheckConsentResponse(decision=types_pb2.DECISION_ALLOWED)


async def never(request: Any, call: Call) -> Any:
    raise AssertionError("the handler must not be reached")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    journal.configure("test", "info", stream)
    yield stream
    root.handlers[:], level = before
    root.setLevel(level)


def test_a_call_reaches_its_handler_and_the_answer_its_caller() -> None:
    async def check(request: Any, call: Call) -> Any:
        return pb.CheckConsentResponse(regime=request.purpose)

    async def test() -> None:
        async with serving(CheckConsent=check) as (client, guard):
            assert pb.CheckConsentResponse.FromString(await client.check()).regime == "marketing.email"
            assert guard.metrics.methods[CHECK].codes == {"OK": 1}
            assert sum(guard.metrics.methods[CHECK].buckets) == 1
            assert guard.metrics.in_flight == 0

    run(test())


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\xff\xff\xff", id="garbage"),
        pytest.param(REQUEST[:-1], id="truncated"),
        pytest.param(b"\x0a\x02\xff\xfe", id="invalid UTF-8 in tenant"),
        pytest.param(b"\x12\x04\x0a\x02\xff\xfe", id="invalid UTF-8 in subject.namespace"),
    ],
)
def test_bytes_that_are_not_the_request_are_refused_before_the_handler(raw: bytes) -> None:
    async def test() -> None:
        async with serving(CheckConsent=never) as (client, _):
            assert (await refused(client.check(raw))).reason is Reason.MALFORMED_MESSAGE

    run(test())


def test_a_message_over_its_methods_limit_is_refused_with_the_limit() -> None:
    async def batch(request: Any, call: Call) -> Any:
        return pb.BatchCheckConsentResponse()

    async def test() -> None:
        large = pb.BatchCheckConsentRequest(items=[pb.CheckItem(purpose="p" * 1000)] * 3000).SerializeToString()
        async with serving(CheckConsent=never, BatchCheckConsent=batch) as (client, _):
            error = await refused(client.check(bytes(5_000_000)))
            assert (error.reason, error.metadata) == (Reason.MESSAGE_TOO_LARGE, {"limit": "1048576"})
            error = await refused(client.unary("BatchCheckConsent", bytes(5_000_000)))
            assert (error.reason, error.metadata) == (Reason.MESSAGE_TOO_LARGE, {"limit": "4194304"})
            assert await client.unary("BatchCheckConsent", large) == b""

    run(test())


def test_a_unary_call_without_a_deadline_is_refused() -> None:
    async def test() -> None:
        async with serving(CheckConsent=never) as (client, _):
            assert (await refused(client.check(timeout=None))).reason is Reason.DEADLINE_REQUIRED

    run(test())


def test_a_call_whose_deadline_passed_before_the_server_turned_to_it_reaches_no_handler() -> None:
    reached = 0

    async def check(request: Any, call: Call) -> Any:
        nonlocal reached
        reached += 1
        return pb.CheckConsentResponse()

    async def test() -> None:
        async with serving(CheckConsent=check) as (client, guard):
            await client.check()
            late = asyncio.ensure_future(client.check(timeout=0.05))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            time.sleep(0.2)  # noqa: ASYNC251 - the event loop is held up, as by a slow neighbour
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await late
            assert from_rpc_error(caught.value).reason is Reason.DEADLINE_EXCEEDED
            await client.check()
            assert reached == 2
            await until(lambda: guard.metrics.in_flight == 0)

    run(test())


def test_a_handler_that_outlasts_its_deadline_is_cancelled() -> None:
    ended: list[float | None] = []

    async def check(request: Any, call: Call) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(call.remaining())

    async def test() -> None:
        async with serving(CheckConsent=check) as (client, guard):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await client.check(timeout=0.1)
            assert from_rpc_error(caught.value).reason is Reason.DEADLINE_EXCEEDED
            await until(lambda: guard.metrics.in_flight == 0)
            assert len(ended) == 1
            (code,) = guard.metrics.methods[CHECK].codes
            assert code in {"DEADLINE_EXCEEDED", "CANCELLED"}

    run(test())


def test_a_caller_that_gives_up_cancels_the_handler_and_nothing_else() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def check(request: Any, call: Call) -> Any:
        if request.jurisdiction:
            return pb.CheckConsentResponse()
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def test() -> None:
        async with serving(CheckConsent=check) as (client, guard):
            call = asyncio.ensure_future(client.check())
            await started.wait()
            call.cancel()
            await ended.wait()
            await until(lambda: guard.metrics.methods[CHECK].codes == {"CANCELLED": 1})
            await client.check(pb.CheckConsentRequest(jurisdiction="DE").SerializeToString())

    run(test())


def test_a_handler_knows_its_caller_deadline_trace_and_metadata() -> None:
    async def check(request: Any, call: Call) -> Any:
        remaining = call.remaining()
        assert remaining is not None and 5 < remaining < 11
        return pb.CheckConsentResponse(
            regime=f"{call.caller.name} {call.metadata('x-a')}", consistency_token=call.traceparent or "none"
        )

    async def test() -> None:
        async with serving(CheckConsent=check) as (client, _):
            for sent, passed_on in ((TRACEPARENT, TRACEPARENT), ("00-forged", "none")):
                raw = await client.check(metadata=(("traceparent", sent), ("x-a", "b")))
                answer = pb.CheckConsentResponse.FromString(raw)
                assert (answer.regime, answer.consistency_token) == ("loopback b", passed_on)

    run(test())


def test_a_sampled_trace_goes_on_through_a_span_of_ours() -> None:
    async def check(request: Any, call: Call) -> Any:
        return pb.CheckConsentResponse(consistency_token=call.traceparent or "")

    async def test() -> None:
        async with serving(Guard(tracer=TracerProvider().get_tracer("test")), CheckConsent=check) as (client, _):
            sent = f"{TRACEPARENT[:-2]}01"
            raw = await client.check(metadata=(("traceparent", sent),))
            passed_on = pb.CheckConsentResponse.FromString(raw).consistency_token
            assert passed_on[:36] == sent[:36] and passed_on != sent
            assert passed_on.endswith("-01")

    run(test())
