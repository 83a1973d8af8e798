"""Streams on a real server: what they guarantee, and when an absent one is made."""

import asyncio

import pytest

from consentledger.bus.connection import Bus
from consentledger.bus.errors import JetStreamError, StreamMisconfigured, StreamMissing
from consentledger.bus.streams import (
    StreamSpec,
    acks_stream,
    enforce_stream,
    ensure_log_stream,
    ensure_stream,
    ledger_stream,
    ledger_subject,
    purge_subject,
    stream_state,
)
from tests.support.nats import asynchronous, nats_server

SIZE = 1 << 20
LEDGER = ledger_stream("consent", max_bytes=SIZE)


@asynchronous
async def test_every_stream_can_be_made_twice_and_side_by_side() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        for _ in range(2):
            for service in ("consent", "rights", "notifier"):
                await ensure_log_stream(bus, ledger_stream(service, max_bytes=SIZE), published=0)
            await ensure_stream(bus, enforce_stream(max_bytes=SIZE))
            await ensure_stream(bus, acks_stream(max_bytes=SIZE))
        names = (await bus.request_json("$JS.API.STREAM.NAMES"))["streams"]
        assert {"LEDGER", "LEDGER_RIGHTS", "LEDGER_NOTIFIER", "ENFORCE", "ACKS"} <= set(names)


@asynchronous
async def test_a_stream_made_by_two_at_once_is_one_stream() -> None:
    async with nats_server() as server:
        buses = [await server.bus() for _ in range(4)]
        states = await asyncio.gather(
            *(ensure_log_stream(bus, LEDGER, published=number, rebuild=True) for number, bus in enumerate(buses))
        )
        assert sum(state.created for state in states) == 1
        assert len({state.last for state in states}) == 1


@asynchronous
async def test_a_ledgers_stream_cannot_be_purged_and_no_message_deleted() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        await ensure_log_stream(bus, LEDGER, published=0)
        await bus.request(ledger_subject("consent", "acme", "t"), b"event")
        for call, payload in (("PURGE", {}), ("MSG.DELETE", {"seq": 1})):
            with pytest.raises(JetStreamError):
                await bus.request_json(f"$JS.API.STREAM.{call}.LEDGER", payload)
        state = await stream_state(bus, "LEDGER")
        assert state is not None
        assert (state.first, state.last, state.messages) == (1, 1, 1)


@asynchronous
async def test_what_one_person_must_have_enforced_can_be_purged_and_nothing_else_is() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        await ensure_stream(bus, enforce_stream(max_bytes=SIZE))
        for token in ("one", "two", "one"):
            await bus.request(f"enforce.acme.crm.withdraw.{token}", b"")
        assert await purge_subject(bus, "ENFORCE", "enforce.acme.*.*.one") == 2
        state = await stream_state(bus, "ENFORCE")
        assert state is not None
        assert state.messages == 1


@asynchronous
async def test_an_absent_stream_that_was_published_to_is_not_made_silently() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        with pytest.raises(StreamMissing):
            await ensure_log_stream(bus, LEDGER, published=1)
        assert await stream_state(bus, "LEDGER") is None


@asynchronous
async def test_a_rebuilt_stream_gives_its_first_message_the_next_position() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        made = await ensure_log_stream(bus, LEDGER, published=100, rebuild=True)
        assert (made.last, made.messages, made.created) == (100, 0, True)
        received = await bus.request(ledger_subject("consent", "acme", "t"), b"event")
        assert b'"seq":101' in received.payload
        assert not (await ensure_log_stream(bus, LEDGER, published=100, rebuild=True)).created


@asynchronous
async def test_a_stream_that_breaks_a_guarantee_is_refused() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        cases: tuple[tuple[str, dict[str, object]], ...] = (
            ("discard", {"discard": "old"}),
            ("deny_purge", {"deny_purge": False}),
            ("allow_atomic", {"allow_atomic": False}),
            ("retention", {"retention": "workqueue"}),
            ("persist_mode", {"persist_mode": "async", "allow_atomic": False}),
        )
        for name, broken in cases:
            await _create(bus, LEDGER, broken)
            with pytest.raises(StreamMisconfigured, match=name):
                await ensure_log_stream(bus, LEDGER, published=0)
            await bus.request_json("$JS.API.STREAM.DELETE.LEDGER")


@asynchronous
async def test_limits_follow_the_settings_and_keep_what_is_stored() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        await ensure_log_stream(bus, LEDGER, published=0)
        await bus.request(ledger_subject("consent", "acme", "t"), b"event")
        larger = ledger_stream("consent", max_bytes=2 * SIZE)
        assert (await ensure_log_stream(bus, larger, published=1)).messages == 1
        info = await bus.request_json("$JS.API.STREAM.INFO.LEDGER")
        assert info["config"]["max_bytes"] == 2 * SIZE


async def _create(bus: Bus, spec: StreamSpec, changes: dict[str, object]) -> None:
    await bus.request_json(f"$JS.API.STREAM.CREATE.{spec.name}", spec.config() | changes)
