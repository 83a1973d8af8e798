"""The one wrapper around every handler: nothing reaches a servicer, and nothing leaves it, by another way.

In order: still serving, not too much at once, a deadline that has not passed, the caller, the size, the message, the
trace; then the handler; then its answer or its refusal, and the counters. One pass instead of a chain of interceptors,
because each of those costs, and because one that wraps only unary calls leaves streams unguarded.

- Handlers are given raw bytes by gRPC: it would quote a parser's exception to the caller.
- A call that its caller has cancelled, or whose deadline has passed, ends as gRPC ends it: the cancellation goes on.
  A cancellation that does not come from there (a future that someone else gave up) is a defect like any other;
  without that, gRPC would leave the caller without an answer.
- A client stream looks the same at its end and when its client has gone; the guard waits a moment for the cancellation
  that tells them apart. It may come later still: what a handler has read until then must be able to stand alone.
- While draining, server streams are ended at once: their readers resume elsewhere, by position.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from opentelemetry.trace import Tracer

from consentledger.errors import LedgerError, Reason
from consentledger.rpc import tracing
from consentledger.rpc.call import LOOPBACK, Authenticate, Call
from consentledger.rpc.errors import code_of, to_status
from consentledger.rpc.method import Method
from consentledger.rpc.metrics import Metrics
from consentledger.rpc.refusal import refusal

if TYPE_CHECKING:
    from consentledger.rpc.call import Context

T = TypeVar("T")

_TELL_APART_SECONDS = 0.001


class _PeerGone(Exception):
    """gRPC could not read or write: the other side is no longer there. Its cause is gRPC's own exception."""


class Guard:
    """Guards the handlers of one server."""

    def __init__(
        self,
        *,
        authenticate: Authenticate | None = None,
        tracer: Tracer | None = None,
        metrics: Metrics | None = None,
        max_calls: int = 2000,
        max_streams: int = 1000,
    ) -> None:
        """`authenticate` None takes every caller for `LOOPBACK`; `tracer` None makes no spans.

        More than `max_calls` at once, or `max_streams` server streams, are refused as OVERLOADED.
        """
        self.metrics = metrics if metrics is not None else Metrics()
        self.authenticate = authenticate
        self._tracer = tracer
        self._max_calls = max_calls
        self._max_streams = max_streams
        self._calls = 0
        self._streams: set[asyncio.Task[Any]] = set()
        self._ended: set[asyncio.Task[Any]] = set()
        self._draining = False
        self._idle = asyncio.Event()

    def unary_unary(
        self, method: Method, handler: Callable[[Any, Call], Awaitable[Any]]
    ) -> Callable[[bytes, "Context"], Awaitable[bytes]]:
        """The guarded form of `async def X(self, request, call) -> Response`."""

        async def guarded(raw: bytes, context: "Context") -> bytes:
            async def work(call: Call) -> bytes:
                return method.encode(await handler(method.parse(raw), call))

            return await self._serve(method, context, work)

        return guarded

    def unary_stream(
        self, method: Method, handler: Callable[[Any, Call], AsyncIterator[Any]]
    ) -> Callable[[bytes, "Context"], Awaitable[None]]:
        """The guarded form of `async def X(self, request, call) -> AsyncIterator[Response]`, an async generator."""

        async def guarded(raw: bytes, context: "Context") -> None:
            async def work(call: Call) -> None:
                # Closed even when a write fails, so that the handler's own `finally` runs now and not at collection.
                async with aclosing(handler(method.parse(raw), call)) as responses:  # type: ignore[type-var]
                    async for response in responses:
                        await _write(context, method.encode(response))

            await self._serve(method, context, work, stream=asyncio.current_task())

        return guarded

    def stream_unary(
        self, method: Method, handler: Callable[[AsyncIterator[Any], Call], Awaitable[Any]]
    ) -> Callable[[object, "Context"], Awaitable[bytes]]:
        """The guarded form of `async def X(self, requests, call) -> Response`."""

        async def guarded(_: object, context: "Context") -> bytes:
            async def work(call: Call) -> bytes:
                requests = _Requests(context, method)
                response = await handler(requests, call)
                if requests.failure is not None:
                    raise requests.failure
                return method.encode(response)

            return await self._serve(method, context, work)

        return guarded

    async def drain(self, grace: float) -> bool:
        """Refuse new calls as SHUTTING_DOWN, end server streams, wait `grace` seconds for the rest.

        True when nothing is left. What is left may still be cancelled by stopping the server.
        """
        self._draining = True
        for task in self._streams:
            self._ended.add(task)
            task.cancel()
        if self._calls or self._streams:
            try:
                async with asyncio.timeout(grace):
                    await self._idle.wait()
            except TimeoutError:
                return False
        return True

    async def _serve(
        self,
        method: Method,
        context: "Context",
        work: Callable[[Call], Awaitable[T]],
        stream: asyncio.Task[Any] | None = None,
    ) -> T:
        started = monotonic()
        code = "CANCELLED"
        call: Call | None = None
        self._enter(stream)
        try:
            try:
                call = self._admit(method, context, started, stream)
                if self._tracer is None:
                    answer = await work(call)
                else:
                    answer = await tracing.traced(self._tracer, method.policy.name, call, work)
                code = "OK"
                return answer
            except asyncio.CancelledError as cancelled:
                error = self._cancelled(cancelled, method, stream)
                if error is None:
                    if call is not None and call.remaining() == 0:
                        code = "DEADLINE_EXCEEDED"
                    raise
            except _PeerGone as gone:
                raise gone.__cause__ or gone from None
            except Exception as defect:
                error = refusal(defect, method.policy.name)
            code = code_of(error.reason).name
        finally:
            method.metrics.record(code, monotonic() - started)
            self._leave(stream)
        status = to_status(error)
        await context.abort(status.code, status.details, status.trailing_metadata)
        raise AssertionError("abort returned")

    def _enter(self, stream: asyncio.Task[Any] | None) -> None:
        self.metrics.in_flight += 1
        if stream is None:
            self._calls += 1
        else:
            self._streams.add(stream)

    def _leave(self, stream: asyncio.Task[Any] | None) -> None:
        self.metrics.in_flight -= 1
        if stream is None:
            self._calls -= 1
        else:
            self._streams.discard(stream)
            self._ended.discard(stream)
        if self._draining and not self._calls and not self._streams:
            self._idle.set()

    def _admit(self, method: Method, context: "Context", now: float, stream: asyncio.Task[Any] | None) -> Call:
        if self._draining:
            raise LedgerError(Reason.SHUTTING_DOWN)
        if self._calls > self._max_calls or len(self._streams) > self._max_streams:
            raise LedgerError(Reason.OVERLOADED)
        remaining = context.time_remaining()
        if remaining is None:
            if method.policy.needs_deadline:
                raise LedgerError(Reason.DEADLINE_REQUIRED)
        elif remaining <= 0:
            raise LedgerError(Reason.DEADLINE_EXCEEDED)
        caller = LOOPBACK if self.authenticate is None else self.authenticate(context, method.policy)
        # A plain tuple of pairs, whatever the stubs say.
        metadata = tuple(context.invocation_metadata() or ())
        call = Call(caller, None if remaining is None else now + remaining, None, metadata)
        call.traceparent = tracing.valid(call.metadata(tracing.HEADER))
        return call

    def _cancelled(
        self, cancelled: asyncio.CancelledError, method: Method, stream: asyncio.Task[Any] | None
    ) -> LedgerError | None:
        """What to answer instead of ending by cancellation; None when the caller no longer listens."""
        task = stream or asyncio.current_task()
        if task is None:
            return None
        if task in self._ended and task.uncancel() == 0:
            return LedgerError(Reason.SHUTTING_DOWN)
        return None if task.cancelling() else refusal(cancelled, method.policy.name)


class _Requests(AsyncIterator[Any]):
    """The messages of a client stream, each checked. A bad one ends the call, whatever the handler makes of it."""

    def __init__(self, context: "Context", method: Method) -> None:
        self.failure: Exception | None = None
        self._context = context
        self._method = method

    async def __anext__(self) -> Any:
        if self.failure is not None:
            raise self.failure
        try:
            raw = await self._context.read()
        except grpc.aio.BaseError as error:
            self.failure = _PeerGone()
            raise self.failure from error
        if not isinstance(raw, bytes):
            await asyncio.sleep(_TELL_APART_SECONDS)
            raise StopAsyncIteration
        try:
            return self._method.parse(raw)
        except LedgerError as error:
            self.failure = error
            raise


async def _write(context: "Context", message: bytes) -> None:
    try:
        await context.write(message)
    except grpc.aio.BaseError as error:
        raise _PeerGone from error
