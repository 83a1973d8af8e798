"""What halts the outbox publisher: an alarm that says why, nothing skipped, and going on once it is mended."""

from typing import Any

import pytest

from consentledger.bus.publisher import PublisherState
from consentledger.bus.serverconfig import NatsUser
from consentledger.bus.streams import StreamSpec, ensure_log_stream, ledger_stream, stream_state
from tests.support.nats import MemoryLog, asynchronous, eventually, holds_exactly, nats_server, publishing, stored

LEDGER = ledger_stream("consent", max_bytes=64 << 20)


@asynchronous
async def test_an_absent_stream_halts_with_an_alarm_and_a_rebuilt_one_keeps_sequence_equal_to_position() -> None:
    async with nats_server() as server:
        bus, log, states = await server.bus(), MemoryLog(), list[PublisherState]()
        await ensure_log_stream(bus, LEDGER, published=0)
        async with publishing(bus, log, poll=0.05, on_state=states.append) as publisher:
            await publisher.flush(log.append(10), 5)
            await bus.request_json("$JS.API.STREAM.DELETE.LEDGER")
            log.append(5)
            publisher.wake()
            await eventually(lambda: publisher.state is PublisherState.STREAM_ABSENT)
            assert publisher.state.alarming
            assert publisher.published == 10
            assert await stream_state(bus, "LEDGER") is None

            await ensure_log_stream(bus, LEDGER, published=10, rebuild=True)
            await publisher.flush(15, 5)
            await eventually(lambda: publisher.state is PublisherState.RUNNING)
        assert states[-2:] == [PublisherState.STREAM_ABSENT, PublisherState.RUNNING]
        await holds_exactly(bus, log, first=11)


@pytest.mark.fault
@asynchronous
async def test_a_wiped_store_is_noticed_although_nothing_is_committed() -> None:
    async with nats_server(kills=True) as server:
        bus, log = await server.bus(), MemoryLog()
        await ensure_log_stream(bus, LEDGER, published=0)
        async with publishing(bus, log, poll=0.05) as publisher:
            await publisher.flush(log.append(3), 5)
            await server.kill()
            server.wipe()
            await server.start()
            await eventually(lambda: publisher.state is PublisherState.STREAM_ABSENT)


@asynchronous
async def test_a_stream_ahead_of_the_log_halts_until_a_restart() -> None:
    async with nats_server() as server:
        bus, log = await server.bus(), MemoryLog()
        await ensure_log_stream(bus, LEDGER, published=0)
        async with publishing(bus, log) as publisher:
            await publisher.flush(log.append(20), 5)
        restored = MemoryLog()
        restored.append(15)
        async with publishing(bus, restored, poll=0.05) as publisher:
            await eventually(lambda: publisher.state is PublisherState.FORK)
            restored.append(30)
            publisher.wake()
            with pytest.raises(TimeoutError):
                await publisher.flush(45, 0.3)
        await holds_exactly(bus, log)


@asynchronous
async def test_a_log_with_another_history_of_the_same_length_halts() -> None:
    async with nats_server() as server:
        bus, log, other = await server.bus(), MemoryLog(), MemoryLog("other")
        await ensure_log_stream(bus, LEDGER, published=0)
        async with publishing(bus, log) as publisher:
            await publisher.flush(log.append(20), 5)
        other.append(40)
        async with publishing(bus, other) as publisher:
            await eventually(lambda: publisher.state is PublisherState.FORK)
        await holds_exactly(bus, log)


@asynchronous
async def test_a_message_over_the_servers_limit_raises_an_alarm_and_nothing_is_skipped() -> None:
    async with nats_server() as server:
        bus, log = await server.bus(), MemoryLog()
        await ensure_log_stream(bus, LEDGER, published=0)
        log.append(3)
        log.append(1, size=bus.max_payload - 20)
        log.append(1)
        async with publishing(bus, log, poll=0.05) as publisher:
            await eventually(lambda: publisher.state is PublisherState.MESSAGE_TOO_LARGE)
            assert publisher.published == 3
        assert bus.connected
        assert await stored(bus, "LEDGER", 1, 5) == log.contents()[:3]


@asynchronous
async def test_a_full_stream_refuses_with_an_alarm_and_publishing_goes_on_when_it_is_larger() -> None:
    async with nats_server() as server:
        bus, log = await server.bus(), MemoryLog()
        await ensure_log_stream(bus, ledger_stream("consent", max_bytes=20_000), published=0)
        log.append(40, size=1000)
        async with publishing(bus, log, batch=4, poll=0.05) as publisher:
            await eventually(lambda: publisher.state is PublisherState.STREAM_FULL)
            await ensure_log_stream(bus, LEDGER, published=publisher.published)
            await publisher.flush(40, 10)
        await holds_exactly(bus, log)


@asynchronous
async def test_publishing_without_the_right_to_raises_an_alarm() -> None:
    reader = NatsUser("reader", "secret", publish=("$JS.API.>",))
    async with nats_server(users=[reader]) as server:
        owner, bus, log = await server.bus(), await server.bus(user="reader", password="secret"), MemoryLog()
        await ensure_log_stream(owner, LEDGER, published=0)
        log.append()
        async with publishing(bus, log) as publisher:
            await eventually(lambda: publisher.state is PublisherState.DENIED)


@asynchronous
async def test_a_log_with_a_gap_or_a_failing_log_raises_an_alarm_and_recovers() -> None:
    class Flawed(MemoryLog):
        flaw: str | None = None

        async def after(self, position: int, limit: int) -> Any:
            if self.flaw == "fails":
                raise OSError
            return (await super().after(position, limit))[1 if self.flaw == "gap" else 0 :]

    async with nats_server() as server:
        bus, log = await server.bus(), Flawed()
        await ensure_log_stream(bus, LEDGER, published=0)
        log.append(9)
        log.flaw = "gap"
        async with publishing(bus, log, poll=0.05) as publisher:
            await eventually(lambda: publisher.state is PublisherState.LOG_GAP)
            log.flaw = "fails"
            await eventually(lambda: publisher.state is PublisherState.LOG_UNAVAILABLE)
            log.flaw = None
            await publisher.flush(9, 5)
        await holds_exactly(bus, log)


@asynchronous
async def test_a_subject_that_the_stream_does_not_take_halts_without_a_gap() -> None:
    async with nats_server() as server:
        bus, log = await server.bus(), MemoryLog()
        elsewhere = StreamSpec("LEDGER", ("ledger.consent.other.>",), is_log=True, max_bytes=1 << 20)
        await ensure_log_stream(bus, elsewhere, published=0)
        log.append(2)
        async with publishing(bus, log, poll=0.05, timeout=0.3) as publisher:
            await eventually(lambda: publisher.state not in (PublisherState.STARTING, PublisherState.RUNNING))
            assert publisher.published == 0
