"""The floor of a call: a bare gRPC server that parses the request and returns an answer of the same shape.

    python -m bench.echo    prints its port, serves until its standard input closes

No guard, no store, no thought: whatever a service of ours takes beyond this is ours.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import Message

from bench import requests
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty

TOKEN = "Cgdjb25zZW50GcFnRSMBAAAAIOgH"
"""As long as a real one."""


async def check(request: cs.CheckConsentRequest, context: object) -> cs.CheckConsentResponse:
    """Always yes."""
    return cs.CheckConsentResponse(
        decision=ty.DECISION_ALLOWED,
        reason=ty.DECISION_REASON_GRANTED,
        state=ty.CONSENT_STATE_GRANTED,
        legal_basis=ty.LEGAL_BASIS_CONSENT,
        regime="gdpr",
        position=len(request.subject.id),
        consistency_token=TOKEN,
    )


async def record(request: cs.RecordConsentRequest, context: object) -> cs.RecordConsentResponse:
    """Forgets it at once."""
    answer = cs.RecordConsentResponse(consistency_token=TOKEN)
    state = answer.states.add(purpose=request.choices[0].purpose, state=ty.CONSENT_STATE_GRANTED, position=1)
    state.notice_version = request.notice_version
    state.occurred_at.seconds = state.recorded_at.seconds = 1_780_000_000
    return answer


def _handler(behaviour: Callable[[Any, Any], Awaitable[Message]], request: type[Message]) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        behaviour,
        request_deserializer=request.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )


async def serve() -> None:
    """Run until standard input closes."""
    server = grpc.aio.server()
    methods = {
        "CheckConsent": _handler(check, cs.CheckConsentRequest),
        "RecordConsent": _handler(record, cs.RecordConsentRequest),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(requests.SERVICE.strip("/"), methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(serve())
