"""Server streams that outlive their connection: resumed after the last position that came.

A server closes connections that grow old and ends streams when it stops, so a stream that was cut is normal.

- Nothing is lost or doubled: positions order the log, and the next one wanted is known.
- After a cut the server has half a minute to come back; three cuts without a new position in between end the stream.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import grpc

from consentledger.cli.failures import UNANSWERED, Unanswered
from consentledger.cli.session import PAUSES, RETRIED, Session
from consentledger.rpc.errors import from_rpc_error

_RETURN_SECONDS = 30.0


async def resumed(session: Session, rpc: Any, request: Any, last: Callable[[Any], int]) -> AsyncGenerator[Any, None]:
    """The responses of a stream whose request has `from_position`; `last` is the newest position of a response.

    LedgerError for a refusal, Unanswered when the server does not come back.
    """
    pauses = iter(PAUSES)
    while True:
        stream = rpc(request)
        try:
            async for response in stream:
                if last(response) >= request.from_position:
                    pauses = iter(PAUSES)
                    request.from_position = last(response) + 1
                yield response
            return
        except grpc.aio.AioRpcError as error:
            failure = from_rpc_error(error)
        finally:
            stream.cancel()
        pause = next(pauses, None) if failure.reason in RETRIED else None
        if pause is None:
            if failure.reason in UNANSWERED:
                raise Unanswered(failure.reason)
            raise failure
        session.tell(f"{failure.reason.value}, resuming at {request.from_position}")
        await asyncio.sleep(pause)
        await session.ready(_RETURN_SECONDS)
