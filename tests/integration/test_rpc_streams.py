"""The guard around streams: what protects a unary call protects them too."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.call import Call, Caller, MethodPolicy
from consentledger.rpc.guard import Guard
from consentledger.v1 import consent_service_pb2 as pb
from tests.integration.test_rpc_guard import PERSONAL, SERVICE, log, refused, run, serving, until

__all__ = ["log"]

WATCH = f"{SERVICE.full_name}/WatchConsent"
IMPORT = f"{SERVICE.full_name}/ImportConsents"
ROW = pb.ImportConsentsRequest(tenant="default").SerializeToString()


async def sent(*messages: bytes) -> AsyncIterator[bytes]:
    for message in messages:
        yield message


async def read_all(call: Any) -> list[int]:
    return [pb.WatchConsentResponse.FromString(raw).position async for raw in call]


async def count(requests: AsyncIterator[Any], call: Call) -> Any:
    number = 0
    async for _ in requests:
        number += 1
    return pb.ImportConsentsResponse(consistency_token=str(number))


def test_a_server_stream_arrives_in_order_and_needs_no_deadline() -> None:
    async def watch(request: Any, call: Call) -> AsyncIterator[Any]:
        for position in range(request.from_position, request.from_position + 100):
            yield pb.WatchConsentResponse(position=position)

    async def test() -> None:
        async with serving(WatchConsent=watch) as (client, guard):
            raw = pb.WatchConsentRequest(from_position=7).SerializeToString()
            assert await read_all(client.watch(raw)) == list(range(7, 107))
            assert guard.metrics.methods[WATCH].codes == {"OK": 1}

    run(test())


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\xff\xff", Reason.MALFORMED_MESSAGE),
        (b"\x0a\x02\xff\xfe", Reason.MALFORMED_MESSAGE),
        (bytes(5_000_000), Reason.MESSAGE_TOO_LARGE),
    ],
)
def test_a_server_stream_refuses_a_bad_request_before_the_handler(raw: bytes, reason: Reason) -> None:
    async def watch(request: Any, call: Call) -> AsyncIterator[Any]:
        raise AssertionError("the handler must not be reached")
        yield

    async def test() -> None:
        async with serving(WatchConsent=watch) as (client, _):
            assert (await refused(read_all(client.watch(raw)))).reason is reason

    run(test())


@pytest.mark.parametrize(
    ("raised", "reason"),
    [(ValueError(PERSONAL), Reason.INTERNAL), (LedgerError(Reason.TOKEN_AHEAD), Reason.TOKEN_AHEAD)],
)
def test_a_server_stream_that_fails_delivers_what_it_had_and_leaks_nothing(
    raised: Exception, reason: Reason, log: io.StringIO
) -> None:
    async def watch(request: Any, call: Call) -> AsyncIterator[Any]:
        yield pb.WatchConsentResponse(position=1)
        raise raised

    async def test() -> None:
        async with serving(WatchConsent=watch) as (client, _):
            call = client.watch()
            assert pb.WatchConsentResponse.FromString(await call.read()).position == 1
            assert (await refused(call.read())).reason is reason
            assert PERSONAL not in f"{await call.details()} {await call.trailing_metadata()}"

    run(test())
    assert PERSONAL not in log.getvalue()


def test_a_server_stream_that_yields_the_wrong_type_is_a_defect() -> None:
    async def watch(request: Any, call: Call) -> AsyncIterator[Any]:
        yield pb.CheckConsentResponse()

    async def test() -> None:
        async with serving(WatchConsent=watch) as (client, _):
            assert (await refused(read_all(client.watch()))).reason is Reason.INTERNAL

    run(test())


@pytest.mark.parametrize("busy", [False, True], ids=["waiting", "writing"])
def test_a_reader_that_goes_away_ends_the_handler_before_the_call_counts_as_ended(busy: bool, log: io.StringIO) -> None:
    guard = Guard()
    in_flight: list[int] = []

    async def watch(request: Any, call: Call) -> AsyncIterator[Any]:
        try:
            while True:
                yield pb.WatchConsentResponse(position=1)
                if not busy:
                    await asyncio.Event().wait()
        finally:
            in_flight.append(guard.metrics.in_flight)

    async def test() -> None:
        async with serving(guard, WatchConsent=watch) as (client, _):
            call = client.watch()
            await call.read()
            call.cancel()
            await until(lambda: in_flight == [1])
            await until(lambda: guard.metrics.methods[WATCH].codes == {"CANCELLED": 1})
            assert guard.metrics.in_flight == 0

    run(test())
    assert "rpc.internal" not in log.getvalue()


def test_a_handler_that_ignores_its_cancellation_ends_at_its_next_answer(log: io.StringIO) -> None:
    async def watch(request: Any, call: Call) -> AsyncIterator[Any]:
        yield pb.WatchConsentResponse(position=1)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        yield pb.WatchConsentResponse(position=2)
        raise AssertionError("nobody is there to read on")

    async def test() -> None:
        async with serving(WatchConsent=watch) as (client, guard):
            call = client.watch()
            await call.read()
            call.cancel()
            await until(lambda: guard.metrics.methods[WATCH].codes == {"CANCELLED": 1})

    run(test())
    assert "rpc.internal" not in log.getvalue()


def test_more_server_streams_than_allowed_are_refused_while_calls_go_on() -> None:
    async def watch(request: Any, call: Call) -> AsyncIterator[Any]:
        yield pb.WatchConsentResponse(position=1)
        await asyncio.Event().wait()

    async def check(request: Any, call: Call) -> Any:
        return pb.CheckConsentResponse()

    async def test() -> None:
        async with serving(Guard(max_streams=1), WatchConsent=watch, CheckConsent=check) as (client, _):
            first = client.watch()
            await first.read()
            assert (await refused(read_all(client.watch()))).reason is Reason.OVERLOADED
            await client.check()
            first.cancel()

    run(test())


def test_a_client_stream_is_read_to_its_end_and_needs_no_deadline() -> None:
    async def test() -> None:
        async with serving(ImportConsents=count) as (client, guard):
            raw = await client.load(sent(*[ROW] * 50))
            assert pb.ImportConsentsResponse.FromString(raw).consistency_token == "50"
            assert guard.metrics.methods[IMPORT].codes == {"OK": 1}

    run(test())


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"\xff\xff", Reason.MALFORMED_MESSAGE),
        (b"\x0a\x02\xff\xfe", Reason.MALFORMED_MESSAGE),
        (bytes(5_000_000), Reason.MESSAGE_TOO_LARGE),
    ],
)
@pytest.mark.parametrize("swallow", [False, True], ids=["raised", "swallowed"])
def test_a_bad_message_ends_a_client_stream_whatever_the_handler_makes_of_it(
    bad: bytes, reason: Reason, swallow: bool
) -> None:
    read = 0

    async def load(requests: AsyncIterator[Any], call: Call) -> Any:
        nonlocal read
        try:
            async for _ in requests:
                read += 1
        except LedgerError:
            if not swallow:
                raise
        return pb.ImportConsentsResponse()

    async def test() -> None:
        async with serving(ImportConsents=load) as (client, _):
            assert (await refused(client.load(sent(ROW, bad, ROW)))).reason is reason
            assert read == 1

    run(test())


def test_a_client_stream_takes_messages_up_to_four_mebibytes() -> None:
    async def test() -> None:
        large = pb.ImportConsentsRequest(tenant="a" * 3_000_000).SerializeToString()
        async with serving(ImportConsents=count) as (client, _):
            assert pb.ImportConsentsResponse.FromString(await client.load(sent(large))).consistency_token == "1"

    run(test())


def test_a_client_stream_whose_handler_fails_leaks_nothing(log: io.StringIO) -> None:
    async def load(requests: AsyncIterator[Any], call: Call) -> Any:
        async for _ in requests:
            raise ValueError(PERSONAL)

    async def test() -> None:
        async with serving(ImportConsents=load) as (client, _):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await client.load(sent(ROW, ROW))
            assert caught.value.code() is grpc.StatusCode.INTERNAL
            assert PERSONAL not in f"{caught.value.details()} {caught.value.trailing_metadata()}"

    run(test())
    assert PERSONAL not in log.getvalue()


def test_a_client_stream_that_its_sender_abandons_ends_the_handler_and_does_not_look_complete() -> None:
    first, ended = asyncio.Event(), asyncio.Event()
    complete = False

    async def load(requests: AsyncIterator[Any], call: Call) -> Any:
        nonlocal complete
        try:
            async for _ in requests:
                first.set()
            complete = True
            return pb.ImportConsentsResponse()
        finally:
            ended.set()

    async def test() -> None:
        async def endless() -> AsyncIterator[bytes]:
            yield ROW
            await asyncio.Event().wait()

        async with serving(ImportConsents=load) as (client, guard):
            call = client.load(endless())
            await first.wait()
            call.cancel()
            await ended.wait()
            await until(lambda: guard.metrics.in_flight == 0)
            assert not complete
            await client.load(sent(ROW))
            assert complete

    run(test())


def test_authentication_guards_streams_too() -> None:
    def authenticate(context: Any, policy: MethodPolicy) -> Caller:
        raise LedgerError(Reason.PERMISSION_DENIED)

    async def test() -> None:
        async with serving(Guard(authenticate=authenticate)) as (client, _):
            assert (await refused(read_all(client.watch()))).reason is Reason.PERMISSION_DENIED
            assert (await refused(client.load(sent(ROW)))).reason is Reason.PERMISSION_DENIED

    run(test())
