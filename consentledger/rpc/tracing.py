"""Joining a caller's trace (W3C Trace Context, `traceparent`).

Not here: exporters and samplers, which come with the tracer that a service is composed with, and `tracestate`.

- Without a tracer, or for a trace that its caller does not sample, no span is made; the header is passed on as it is.
- A header that is not exactly version 00 is dropped, never passed on: it would travel into events.
- Spans hold the method, the reason and nothing from a message; exceptions are named by type, not quoted.
"""

import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from opentelemetry.context import Context as TraceContext
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
    use_span,
)

from consentledger.errors import LedgerError
from consentledger.rpc.call import Call

T = TypeVar("T")

HEADER = "traceparent"
_FORM = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)


def valid(header: str | None) -> str | None:
    """The header if it is a well-formed `traceparent` of version 00, else None."""
    return header if header is not None and _FORM.fullmatch(header) else None


def sampled(traceparent: str) -> bool:
    """Whether the caller records this trace."""
    return bool(int(traceparent[-2:], 16) & TraceFlags.SAMPLED)


async def traced(tracer: Tracer, method: str, call: Call, work: Callable[[Call], Awaitable[T]]) -> T:
    """Do the work inside a server span if the trace is sampled; a call without a trace asks the tracer's sampler."""
    if call.traceparent is not None and not sampled(call.traceparent):
        return await work(call)
    span = tracer.start_span(
        method,
        context=TraceContext() if call.traceparent is None else _remote(call.traceparent),
        kind=SpanKind.SERVER,
        attributes={"rpc.system.name": "grpc", "rpc.method": method},
    )
    call.traceparent = _header(span) or call.traceparent
    with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            return await work(call)
        except BaseException as error:
            name = error.reason.value if isinstance(error, LedgerError) else type(error).__name__
            span.set_attribute("error.type", name)
            span.set_status(StatusCode.ERROR)
            raise


def _remote(traceparent: str) -> TraceContext:
    _, trace_id, span_id, flags = traceparent.split("-")
    parent = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return set_span_in_context(NonRecordingSpan(parent), TraceContext())


def _header(span: Span) -> str | None:
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
