"""Joining traces: only well-formed ones, a span only when sampled, and no text of an exception in it."""

import asyncio

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import get_current_span

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.call import LOOPBACK, Call
from consentledger.rpc.tracing import traced, valid

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
METHOD = "consentledger.v1.ConsentService/CheckConsent"


def call(traceparent: str | None) -> Call:
    return Call(LOOPBACK, None, traceparent, ())


def recorder(**options: object) -> tuple[TracerProvider, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(**options)  # type: ignore[arg-type]
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


async def seen(call: Call) -> tuple[str | None, int]:
    return call.traceparent, get_current_span().get_span_context().span_id


@pytest.mark.parametrize("header", [SAMPLED, UNSAMPLED, f"00-{TRACE}-{PARENT}-ff"])
def test_a_well_formed_header_is_kept(header: str) -> None:
    assert valid(header) == header


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f" {SAMPLED}",
        f"{SAMPLED}\n",
        f"{SAMPLED}-more",
        SAMPLED.upper(),
        f"01-{TRACE}-{PARENT}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-0١",
    ],
)
def test_any_other_header_is_dropped(header: str | None) -> None:
    assert valid(header) is None


def test_a_sampled_trace_is_continued_by_a_span_that_the_handler_runs_in_and_passes_on() -> None:
    provider, exporter = recorder()
    passed_on, current = asyncio.run(traced(provider.get_tracer("test"), METHOD, call(SAMPLED), seen))
    (span,) = exporter.get_finished_spans()
    assert span.parent is not None and span.context is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert span.context.span_id == current
    assert passed_on == f"00-{TRACE}-{current:016x}-01"
    assert span.attributes == {"rpc.system.name": "grpc", "rpc.method": METHOD}


def test_an_unsampled_trace_is_passed_on_without_a_span() -> None:
    provider, exporter = recorder()
    assert asyncio.run(traced(provider.get_tracer("test"), METHOD, call(UNSAMPLED), seen)) == (UNSAMPLED, 0)
    assert exporter.get_finished_spans() == ()


def test_a_call_without_a_trace_follows_the_sampler() -> None:
    for options, spans in (({}, 1), ({"sampler": ParentBased(ALWAYS_OFF)}, 0)):
        provider, exporter = recorder(**options)
        asyncio.run(traced(provider.get_tracer("test"), METHOD, call(None), seen))
        assert len(exporter.get_finished_spans()) == spans


@pytest.mark.parametrize(
    ("error", "name"),
    [(LedgerError(Reason.CONFLICT), "CONFLICT"), (ValueError("ada@example.org"), "ValueError")],
)
def test_a_failure_is_named_and_not_quoted(error: Exception, name: str) -> None:
    async def fail(_: Call) -> None:
        raise error

    provider, exporter = recorder()
    with pytest.raises(type(error)):
        asyncio.run(traced(provider.get_tracer("test"), METHOD, call(SAMPLED), fail))
    (span,) = exporter.get_finished_spans()
    assert span.attributes is not None and span.attributes["error.type"] == name
    assert "ada" not in span.to_json()
