"""What a caller is told when a handler fails, and what is refused before it: the reason, and nothing else."""

import asyncio
import io
import json
import re
from typing import Any

import grpc
import pytest

from consentledger.errors import LedgerError, Reason, invalid
from consentledger.rpc.call import Call, Caller, MethodPolicy
from consentledger.rpc.errors import from_rpc_error
from consentledger.rpc.guard import Guard
from consentledger.store.ledger import OutcomeUnknown, StoreUnavailable
from consentledger.v1 import consent_service_pb2 as pb
from tests.integration.test_rpc_guard import CHECK, PERSONAL, SERVICE, log, never, refused, run, serving, until

__all__ = ["log"]


def test_a_cancellation_that_is_not_the_callers_is_answered_as_a_defect(log: io.StringIO) -> None:
    async def check(request: Any, call: Call) -> Any:
        given_up = asyncio.get_running_loop().create_future()
        given_up.cancel()
        await given_up

    async def test() -> None:
        async with serving(CheckConsent=check) as (client, _):
            assert (await refused(client.check())).reason is Reason.INTERNAL

    run(test())
    assert "CancelledError" in log.getvalue()


def test_a_defect_leaves_a_reference_and_nothing_else(log: io.StringIO) -> None:
    async def check(request: Any, call: Call) -> Any:
        try:
            raise KeyError(PERSONAL)
        except KeyError as inner:
            raise ValueError(f"no {PERSONAL}") from inner

    async def test() -> None:
        async with serving(CheckConsent=check) as (client, _):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await client.check()
            error = from_rpc_error(caught.value)
            assert error.reason is Reason.INTERNAL
            assert re.fullmatch("[0-9a-f]{16}", error.metadata["ref"])
            seen = f"{caught.value.details()} {caught.value.trailing_metadata()}"
            assert PERSONAL not in seen and "ValueError" not in seen
            (line,) = (json.loads(line) for line in log.getvalue().splitlines() if error.metadata["ref"] in line)
            assert (line["event"], line["method"], line["exception"]) == ("rpc.internal", CHECK, "ValueError")
            assert line["stack"][-1].endswith(" check")

    run(test())
    assert PERSONAL not in log.getvalue()


def test_an_answer_of_the_wrong_type_is_a_defect() -> None:
    async def check(request: Any, call: Call) -> Any:
        return pb.BatchCheckConsentResponse()

    async def test() -> None:
        async with serving(CheckConsent=check) as (client, _):
            assert (await refused(client.check())).reason is Reason.INTERNAL

    run(test())


@pytest.mark.parametrize(
    ("raised", "code", "reason"),
    [
        (invalid("subject.id", "1 to 512 bytes"), grpc.StatusCode.INVALID_ARGUMENT, Reason.INVALID_FIELD),
        (LedgerError(Reason.PURPOSE_UNKNOWN), grpc.StatusCode.NOT_FOUND, Reason.PURPOSE_UNKNOWN),
        (StoreUnavailable(PERSONAL), grpc.StatusCode.UNAVAILABLE, Reason.STORE_UNAVAILABLE),
        (OutcomeUnknown(PERSONAL), grpc.StatusCode.UNAVAILABLE, Reason.STORE_UNAVAILABLE),
        (TimeoutError(PERSONAL), grpc.StatusCode.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED),
        (grpc.aio.UsageError(PERSONAL), grpc.StatusCode.INTERNAL, Reason.INTERNAL),
        (grpc.aio.AbortError(PERSONAL), grpc.StatusCode.INTERNAL, Reason.INTERNAL),
    ],
)
def test_what_a_handler_raises_becomes_its_status(
    raised: Exception, code: grpc.StatusCode, reason: Reason, log: io.StringIO
) -> None:
    async def check(request: Any, call: Call) -> Any:
        raise raised

    async def test() -> None:
        async with serving(CheckConsent=check) as (client, guard):
            error = await refused(client.check())
            assert error.reason is reason
            if isinstance(raised, LedgerError):
                assert error.metadata == raised.metadata
            assert code.name in guard.metrics.methods[CHECK].codes

    run(test())
    assert PERSONAL not in log.getvalue()


@pytest.mark.parametrize("method", [f"/{SERVICE.full_name}/Nothing", "/other.v1.Service/Nothing"])
def test_a_method_that_does_not_exist_is_answered_with_the_reason(method: str) -> None:
    async def test() -> None:
        async with serving() as (client, guard):
            error = await refused(client.channel.unary_unary(method)(b"", timeout=10))
            assert error.reason is Reason.NOT_IMPLEMENTED
            error = await refused(client.channel.unary_unary(method)(bytes(5_000_000), timeout=10))
            assert error.reason is Reason.NOT_IMPLEMENTED
            assert guard.metrics.unknown_methods == 2
            assert method[1:] not in guard.metrics.methods

    run(test())


def test_more_calls_at_once_than_allowed_are_refused_and_room_is_given_back() -> None:
    release = asyncio.Event()

    async def check(request: Any, call: Call) -> Any:
        await release.wait()
        return pb.CheckConsentResponse()

    async def test() -> None:
        async with serving(Guard(max_calls=1), CheckConsent=check) as (client, guard):
            first = asyncio.ensure_future(client.check())
            await until(lambda: guard.metrics.in_flight == 1)
            assert (await refused(client.check())).reason is Reason.OVERLOADED
            release.set()
            await first
            await client.check()

    run(test())


def test_authentication_decides_who_calls_before_the_message_is_looked_at() -> None:
    seen: list[str] = []

    def authenticate(context: Any, policy: MethodPolicy) -> Caller:
        if dict(context.invocation_metadata()).get("x-name") != "billing":
            raise LedgerError(Reason.PERMISSION_DENIED)
        seen.append(policy.name)
        return Caller("billing", frozenset({"default"}), "reader")

    async def check(request: Any, call: Call) -> Any:
        return pb.CheckConsentResponse(regime=call.caller.name)

    async def test() -> None:
        async with serving(Guard(authenticate=authenticate), CheckConsent=check) as (client, _):
            assert (await refused(client.check(b"\xff"))).reason is Reason.PERMISSION_DENIED
            answer = await client.check(metadata=(("x-name", "billing"),))
            assert pb.CheckConsentResponse.FromString(answer).regime == "billing"
            assert seen == [CHECK]

    run(test())


def test_an_authentication_that_breaks_lets_nobody_in() -> None:
    def authenticate(context: Any, policy: MethodPolicy) -> Caller:
        raise RuntimeError(PERSONAL)

    async def test() -> None:
        async with serving(Guard(authenticate=authenticate), CheckConsent=never) as (client, _):
            assert (await refused(client.check())).reason is Reason.INTERNAL

    run(test())
