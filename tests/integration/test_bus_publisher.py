"""The outbox publisher on a real server: every position exactly once, at its own sequence."""

import asyncio
from itertools import pairwise

import pytest

from consentledger.bus.publisher import LogPublisher, PublisherState
from consentledger.bus.streams import ensure_log_stream, ledger_stream
from tests.support.nats import MemoryLog, asynchronous, eventually, holds_exactly, nats_server, publishing

LEDGER = ledger_stream("consent", max_bytes=64 << 20)
IDLE = 3600.0


@asynchronous
async def test_a_log_is_published_with_sequence_equal_to_position() -> None:
    async with nats_server() as server:
        bus, log = await server.bus(), MemoryLog()
        await ensure_log_stream(bus, LEDGER, published=0)
        head = log.append(1500)
        async with publishing(bus, log) as publisher:
            await publisher.flush(head, 10)
            assert publisher.published == head
            for _ in range(20):
                await publisher.flush(log.append(), 5)
        await holds_exactly(bus, log)


@pytest.mark.fault
@asynchronous
async def test_nothing_is_lost_doubled_or_reordered_when_the_server_is_killed_thrice() -> None:
    async with nats_server(kills=True) as server:
        bus, log = await server.bus(), MemoryLog(identities=False)
        await ensure_log_stream(bus, LEDGER, published=0)
        head = log.append(5000)
        crash_at = [700, 1900, 3300]
        crashes: list[asyncio.Task[None]] = []

        def crash(published: int) -> None:
            if crash_at and published >= crash_at[0]:
                crash_at.pop(0)
                crashes.append(asyncio.create_task(server.crash()))

        async with publishing(bus, log, batch=16, on_published=crash) as publisher:
            await publisher.flush(head, 25)
        await asyncio.gather(*crashes)
        assert len(crashes) == 3
        await eventually(lambda: bus.connected)
        await holds_exactly(bus, log)


@asynchronous
async def test_of_three_racing_publishers_exactly_one_wins_each_batch() -> None:
    async with nats_server() as server:
        log = MemoryLog(identities=False)
        buses = [await server.bus(f"replica-{number}") for number in range(3)]
        await ensure_log_stream(buses[0], LEDGER, published=0)
        publishers = [LogPublisher(bus, "LEDGER", log, batch=8) for bus in buses]
        for publisher in publishers:
            await publisher.start()
        for _ in range(100):
            log.append(20)
            for publisher in publishers:
                publisher.wake()
            await asyncio.sleep(0)
        await asyncio.gather(*(publisher.flush(2000, 20) for publisher in publishers))
        assert {publisher.state for publisher in publishers} <= {PublisherState.RUNNING, PublisherState.STARTING}
        await asyncio.gather(*(publisher.stop() for publisher in publishers))
        await holds_exactly(buses[0], log)


@asynchronous
async def test_a_commit_is_published_at_once_when_woken_and_by_polling_when_not() -> None:
    async with nats_server() as server:
        bus, log = await server.bus(), MemoryLog()
        await ensure_log_stream(bus, LEDGER, published=0)
        async with publishing(bus, log, poll=IDLE) as publisher:
            await eventually(lambda: publisher.state is PublisherState.RUNNING)
            log.append()
            publisher.wake()
            await eventually(lambda: publisher.published == 1)
        async with publishing(bus, log, poll=0.05) as publisher:
            await eventually(lambda: publisher.state is PublisherState.RUNNING)
            log.append()
            await eventually(lambda: publisher.published == 2)
        await holds_exactly(bus, log)


@asynchronous
async def test_waiting_for_a_position_that_is_never_committed_times_out() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        await ensure_log_stream(bus, LEDGER, published=0)
        async with publishing(bus, MemoryLog()) as publisher:
            with pytest.raises(TimeoutError):
                await publisher.flush(1, 0.05)


@asynchronous
async def test_a_stale_answer_is_waited_out_and_raises_no_alarm() -> None:
    async with nats_server() as server:
        bus, log, states = await server.bus(), MemoryLog(), list[PublisherState]()
        await ensure_log_stream(bus, LEDGER, published=0)
        log.append(5)
        async with publishing(bus, log) as current:
            await current.flush(5, 5)
            # To one who knows of position 9, a stream that ends at 5 looks like the answer of a stale leader.
            async with publishing(bus, log, published=9, poll=0.05, on_state=states.append) as informed:
                await eventually(lambda: informed.state is PublisherState.DISCONNECTED)
                assert informed.published == 9
                await current.flush(log.append(5), 5)
                await eventually(lambda: informed.state is PublisherState.RUNNING)
        assert not any(state.alarming for state in states)
        await holds_exactly(bus, log)


@asynchronous
async def test_a_stream_that_lost_its_end_is_published_again_under_the_same_positions() -> None:
    async with nats_server() as server:
        bus, log, states = await server.bus(), MemoryLog(), list[PublisherState]()
        await ensure_log_stream(bus, LEDGER, published=0)
        log.append(50)
        async with publishing(bus, log, published=30, stale_for=0.2, on_state=states.append) as publisher:
            await publisher.flush(50, 10)
            assert PublisherState.STREAM_BEHIND in states
            await eventually(lambda: publisher.state is PublisherState.RUNNING)
        await holds_exactly(bus, log)


@asynchronous
async def test_a_batch_of_large_messages_is_bounded_by_its_bytes() -> None:
    async with nats_server() as server:
        bus, log, steps = await server.bus(), MemoryLog(), [0]
        await ensure_log_stream(bus, LEDGER, published=0)
        async with publishing(bus, log, on_published=steps.append) as publisher:
            await publisher.flush(log.append(20, size=600_000), 20)
        assert max(later - earlier for earlier, later in pairwise(steps)) * 600_000 < 5_000_000
        await holds_exactly(bus, log)
