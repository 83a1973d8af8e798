"""Errors and traces over two hops, and what a channel tries again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.call import Call
from consentledger.rpc.channel import call as remote
from consentledger.rpc.channel import connect
from consentledger.v1 import consent_service_pb2 as pb
from consentledger.v1 import consent_service_pb2_grpc as stubs
from tests.integration.test_rpc_guard import CHECK, REQUEST, TRACEPARENT, Client, refused, run, serving


def stub_of(client: Client) -> Any:
    return stubs.ConsentServiceStub(client.channel)


@pytest.mark.parametrize(
    "raised",
    [
        LedgerError(Reason.INVALID_FIELD, field="subject.id", rule="1 to 512 bytes"),
        LedgerError(Reason.CONFLICT),
        LedgerError(Reason.INTERNAL, ref="0123456789abcdef"),
    ],
    ids=lambda error: error.reason.value,
)
@pytest.mark.parametrize("helper", [True, False], ids=["call", "bare stub"])
def test_a_reason_survives_two_hops(raised: LedgerError, helper: bool) -> None:
    async def fail(request: Any, call: Call) -> Any:
        raise raised

    async def test() -> None:
        async with serving(CheckConsent=fail) as (inner, _):

            async def forward(request: Any, call: Call) -> Any:
                if helper:
                    return await remote(stub_of(inner).CheckConsent, request, 5.0)
                return await stub_of(inner).CheckConsent(request, timeout=5.0)

            async with serving(CheckConsent=forward) as (outer, _):
                error = await refused(outer.check())
                assert (error.reason, error.metadata) == (raised.reason, raised.metadata)

    run(test())


def test_a_second_hop_that_nobody_answers_is_unavailable(tmp_path: Path) -> None:
    async def test() -> None:
        async with connect(f"unix:{tmp_path}/nobody.sock") as channel:

            async def forward(request: Any, call: Call) -> Any:
                return await remote(stub_of(Client(channel)).CheckConsent, request, 5.0)

            async with serving(CheckConsent=forward) as (outer, _):
                assert (await refused(outer.check())).reason is Reason.STORE_UNAVAILABLE

    run(test())


def test_the_helper_passes_answers_streams_and_the_trace_on() -> None:
    seen: list[str | None] = []

    async def check(request: Any, call: Call) -> Any:
        seen.append(call.traceparent)
        return pb.CheckConsentResponse(regime=request.purpose)

    async def load(requests: AsyncIterator[Any], call: Call) -> Any:
        return pb.ImportConsentsResponse(consistency_token=str(len([row async for row in requests])))

    async def test() -> None:
        async with serving(CheckConsent=check, ImportConsents=load) as (client, _):
            stub = stub_of(client)
            request = pb.CheckConsentRequest.FromString(REQUEST)
            assert (await remote(stub.CheckConsent, request, 5.0, traceparent=TRACEPARENT)).regime == "marketing.email"
            await remote(stub.CheckConsent, request, 5.0)
            assert seen == [TRACEPARENT, None]
            rows = iter([pb.ImportConsentsRequest()] * 3)
            assert (await remote(stub.ImportConsents, rows, 5.0)).consistency_token == "3"

    run(test())


def test_the_helpers_error_is_not_chained_to_the_librarys_own() -> None:
    async def test() -> None:
        async with serving() as (client, _):
            with pytest.raises(LedgerError) as caught:
                await remote(stub_of(client).CheckConsent, pb.CheckConsentRequest(), 5.0)
            assert caught.value.__context__ is None and caught.value.__cause__ is None

    run(test())


@pytest.mark.parametrize(
    ("reason", "times", "attempts", "ends"),
    [
        (Reason.SHUTTING_DOWN, 1, 2, None),
        (Reason.STORE_UNAVAILABLE, 9, 3, Reason.STORE_UNAVAILABLE),
        (Reason.CONFLICT, 1, 1, Reason.CONFLICT),
        (Reason.OVERLOADED, 1, 1, Reason.OVERLOADED),
        (Reason.INTERNAL, 1, 1, Reason.INTERNAL),
    ],
)
def test_only_unavailable_is_tried_again_three_times_in_all(
    reason: Reason, times: int, attempts: int, ends: Reason | None
) -> None:
    made: list[str] = []

    async def check(request: Any, call: Call) -> Any:
        made.append(request.purpose)
        if len(made) <= times:
            raise LedgerError(reason)
        return pb.CheckConsentResponse()

    async def test() -> None:
        async with serving(CheckConsent=check) as (client, guard):
            if ends is None:
                await client.check()
            else:
                assert (await refused(client.check())).reason is ends
            assert made == ["marketing.email"] * attempts
            assert sum(guard.metrics.methods[CHECK].codes.values()) == attempts

    run(test())


def test_cancelling_the_first_hop_cancels_the_second() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def check(request: Any, call: Call) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def test() -> None:
        async with serving(CheckConsent=check) as (inner, _):

            async def forward(request: Any, call: Call) -> Any:
                return await remote(stub_of(inner).CheckConsent, request, 5.0)

            async with serving(CheckConsent=forward) as (outer, _):
                call = asyncio.ensure_future(outer.check())
                await begun.wait()
                call.cancel()
                await asyncio.wait_for(ended.wait(), 3)

    run(test())
