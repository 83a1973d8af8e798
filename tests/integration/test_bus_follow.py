"""Following a log on a real server: every position in order, no gap and no repeat, whatever breaks."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import pytest

from consentledger.bus.connection import Bus
from consentledger.bus.consumer import Message
from consentledger.bus.follow import LogFollower
from consentledger.bus.publisher import LogPublisher
from consentledger.bus.streams import ensure_log_stream, ledger_stream
from tests.support.nats import MemoryLog, asynchronous, eventually, nats_server

LEDGER = ledger_stream("consent", max_bytes=64 << 20)


class Reader:
    """A projection: remembers what it was handed, and its position."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.done = 0
        self.fail_at: int | None = None

    async def position(self) -> int:
        return self.done

    async def handle(self, messages: list[Message]) -> None:
        await asyncio.sleep(0.001)
        if self.fail_at is not None and any(message.stream_sequence == self.fail_at for message in messages):
            self.fail_at = None
            raise ValueError
        self.seen.extend(message.stream_sequence for message in messages)
        self.done = messages[-1].stream_sequence

    @asynccontextmanager
    async def following(self, bus: Bus, **options: Any) -> Any:
        follower = LogFollower(bus, "LEDGER", "projection", self.position, self.handle, **options)
        await follower.start()
        try:
            yield follower
        finally:
            await follower.stop()


async def _publish(bus: Bus, log: MemoryLog, count: int) -> None:
    publisher = LogPublisher(bus, "LEDGER", log)
    await publisher.start()
    await publisher.flush(log.append(count), 20)
    await publisher.stop()


@pytest.mark.fault
@asynchronous
async def test_a_log_is_followed_without_gap_or_repeat_across_kills() -> None:
    async with nats_server(kills=True) as server:
        bus, log, reader = await server.bus(), MemoryLog(), Reader()
        await ensure_log_stream(bus, LEDGER, published=0)
        await _publish(bus, log, 3000)

        async def reached(enough: int) -> None:
            await eventually(lambda: reader.done > enough)

        async with reader.following(bus, batch=20, heartbeat=10.0):  # no kill is left to be noticed by silence
            for enough in (200, 1000, 1800):
                await reached(enough)
                assert reader.done < 3000
                await server.crash()
            await eventually(lambda: reader.done == 3000)
        assert reader.seen == list(range(1, 3001))


@asynchronous
async def test_what_a_handler_failed_on_comes_again_in_order() -> None:
    async with nats_server() as server:
        bus, log, reader = await server.bus(), MemoryLog(), Reader()
        await ensure_log_stream(bus, LEDGER, published=0)
        await _publish(bus, log, 50)
        reader.fail_at = 25
        failures: list[str] = []
        async with reader.following(bus, batch=10, on_failure=lambda failure: failures.append(type(failure).__name__)):
            await eventually(lambda: reader.done == 50)
        assert reader.seen == list(range(1, 51))
        assert failures == ["ValueError"]


@asynchronous
async def test_a_reader_resumes_behind_its_position_and_gets_what_comes_later() -> None:
    async with nats_server() as server:
        bus, log, reader = await server.bus(), MemoryLog(), Reader()
        await ensure_log_stream(bus, LEDGER, published=0)
        await _publish(bus, log, 20)
        reader.done = 15
        async with reader.following(bus):
            await eventually(lambda: reader.done == 20)
            await _publish(bus, log, 5)
            await eventually(lambda: reader.done == 25)
        assert reader.seen == list(range(16, 26))


@asynchronous
async def test_a_reader_that_the_stream_left_behind_catches_up_by_other_means() -> None:
    async with nats_server() as server:
        bus, log, reader = await server.bus(), MemoryLog(), Reader()
        log.append(10)
        await ensure_log_stream(bus, LEDGER, published=10, rebuild=True)
        await _publish(bus, log, 5)
        reader.done = 4
        gaps: list[tuple[int, int]] = []

        async def replay(position: int, first: int) -> None:
            gaps.append((position, first))
            reader.done = first - 1

        async with reader.following(bus, behind=replay):
            await eventually(lambda: reader.done == 15)
        assert gaps == [(4, 11)]
        assert reader.seen == list(range(11, 16))


@asynchronous
async def test_a_reader_that_cannot_catch_up_waits_and_tells_its_gap() -> None:
    async with nats_server() as server:
        bus, log, reader = await server.bus(), MemoryLog(), Reader()
        log.append(10)
        await ensure_log_stream(bus, LEDGER, published=10, rebuild=True)
        await _publish(bus, log, 5)
        async with reader.following(bus, max_delay=0.1) as follower:
            await eventually(lambda: follower.gap == (0, 11))
            assert reader.seen == []
            reader.done = 10
            await eventually(lambda: reader.done == 15)
            assert follower.gap is None


@asynchronous
async def test_a_stopped_follower_leaves_no_consumer_behind() -> None:
    async with nats_server() as server:
        bus, log, reader = await server.bus(), MemoryLog(), Reader()
        await ensure_log_stream(bus, LEDGER, published=0)
        await _publish(bus, log, 1)
        async with reader.following(bus):
            await eventually(lambda: reader.done == 1)
        info = await bus.request_json("$JS.API.STREAM.INFO.LEDGER")
        assert info["state"]["consumer_count"] == 0
