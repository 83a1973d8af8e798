"""Durable consumers and the pull loop on a real server: at least once, through kills, deletions and bad messages."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import Any

import pytest

from consentledger.bus.connection import Bus
from consentledger.bus.consumer import Handler, Message, PullLoop, ensure_consumer
from consentledger.bus.pull import Pull, PullBroken
from consentledger.bus.streams import enforce_stream, ensure_stream
from tests.support.nats import asynchronous, eventually, nats_server

ENFORCE = enforce_stream(max_bytes=16 << 20)


async def _send(bus: Bus, first: int, last: int, downstream: str = "crm") -> None:
    """Put numbered messages in the stream, each acknowledged by it."""
    for start in range(first, last + 1, 100):
        numbers = range(start, min(start + 100, last + 1))
        await asyncio.gather(*(bus.request(f"enforce.acme.{downstream}.x", str(number).encode()) for number in numbers))


@asynccontextmanager
async def looping(bus: Bus, handler: Handler, **options: Any) -> Any:
    loop = PullLoop(bus, "ENFORCE", "crm", handler, **options)
    await loop.start()
    try:
        yield loop
    finally:
        await loop.stop()


async def _unacknowledged(bus: Bus) -> int:
    info = await bus.request_json("$JS.API.CONSUMER.INFO.ENFORCE.crm")
    return int(info["num_ack_pending"]) + int(info["num_pending"])


@asynchronous
async def test_messages_arrive_in_order_in_batches_that_form_by_themselves() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        await ensure_stream(bus, ENFORCE)
        await _send(bus, 1, 2000)
        await ensure_consumer(bus, "ENFORCE", "crm", filter="enforce.acme.crm.>")
        got: list[int] = []
        sizes: list[int] = []

        async def handle(messages: list[Message]) -> None:
            got.extend(message.stream_sequence for message in messages)
            sizes.append(len(messages))
            await asyncio.sleep(0.002)

        async with looping(bus, handle, batch=100) as loop:
            await eventually(lambda: len(got) == 2000)
            assert got == list(range(1, 2001))
            assert max(sizes) > 1
            assert max(sizes) <= 100
            await _send(bus, 2001, 2001)
            await eventually(lambda: sizes[-1] == 1 and len(got) == 2001)

            async def all_acknowledged() -> bool:
                return await _unacknowledged(bus) == 0

            await eventually(all_acknowledged)
            assert loop.handled == 2001
            assert loop.opened == 1


@pytest.mark.fault
@asynchronous
async def test_everything_is_delivered_and_acknowledged_across_kills() -> None:
    async with nats_server(kills=True) as server:
        bus, sender = await server.bus(), await server.bus("sender")
        await ensure_stream(sender, ENFORCE)
        await _send(sender, 1, 3000)
        await ensure_consumer(bus, "ENFORCE", "crm", ack_wait=1.0)
        got: list[int] = []

        async def handle(messages: list[Message]) -> None:
            got.extend(message.stream_sequence for message in messages)
            await asyncio.sleep(0.01)

        async def reached(enough: int) -> None:
            await eventually(lambda: len(got) > enough)

        async with looping(bus, handle, batch=50) as loop:
            for enough in (300, 1200, 2100):
                await reached(enough)
                assert len(set(got)) < 3000
                await server.crash()
            await eventually(lambda: set(got) == set(range(1, 3001)))

            async def all_acknowledged() -> bool:
                return await _unacknowledged(bus) == 0

            await eventually(all_acknowledged)
            assert loop.opened >= 4


@asynchronous
async def test_a_message_whose_handler_fails_comes_again_and_holds_up_no_other() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        await ensure_stream(bus, ENFORCE)
        await _send(bus, 1, 50)
        await ensure_consumer(bus, "ENFORCE", "crm")
        done: Counter[int] = Counter()
        failures: list[tuple[str, int, int]] = []

        async def handle(messages: list[Message]) -> None:
            if any(message.payload == b"7" and message.deliveries < 3 for message in messages):
                raise OSError
            done.update(int(message.payload) for message in messages)

        def report(failure: Exception, message: Message | None) -> None:
            assert message is not None
            failures.append((type(failure).__name__, int(message.payload), message.deliveries))

        async with looping(bus, handle, retry_delay=lambda deliveries: 0.05, on_failure=report) as loop:
            await eventually(lambda: len(done) == 50)
            assert failures == [("OSError", 7, 1), ("OSError", 7, 2)]
            assert set(done.values()) == {1}
            await eventually(lambda: loop.handled == 50)


@asynchronous
async def test_a_message_that_always_fails_is_given_back_with_a_growing_delay_and_never_dropped() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        await ensure_stream(bus, ENFORCE)
        await _send(bus, 1, 1)
        await ensure_consumer(bus, "ENFORCE", "crm")
        asked: list[int] = []

        async def handle(messages: list[Message]) -> None:
            raise ValueError

        def delay(deliveries: int) -> float:
            asked.append(deliveries)
            return 0.0

        async with looping(bus, handle, retry_delay=delay):
            await eventually(lambda: len(asked) >= 20)
        assert asked[:20] == list(range(1, 21))

        async def still_there() -> bool:
            return await _unacknowledged(bus) == 1

        await eventually(still_there)


@asynchronous
async def test_a_deleted_consumer_is_made_again_from_the_sequence_that_its_owner_knows() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        await ensure_stream(bus, ENFORCE)
        await _send(bus, 1, 10)
        got: list[int] = []

        async def handle(messages: list[Message]) -> None:
            got.extend(message.stream_sequence for message in messages)

        async def ensure() -> None:
            await ensure_consumer(bus, "ENFORCE", "crm", start_sequence=len(got) + 1)

        async with looping(bus, handle, ensure=ensure):
            await eventually(lambda: len(got) == 10)
            await bus.request_json("$JS.API.CONSUMER.DELETE.ENFORCE.crm")
            await _send(bus, 11, 20)
            await eventually(lambda: len(got) == 20)
        assert got == list(range(1, 21))


@asynchronous
async def test_ensuring_a_consumer_again_leaves_it_where_it_is() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        await ensure_stream(bus, ENFORCE)
        await _send(bus, 1, 5)
        await _send(bus, 6, 7, downstream="shop")
        filters = ("enforce.acme.crm.>", "enforce.acme.none.>")
        await ensure_consumer(bus, "ENFORCE", "crm", filter=filters, start_sequence=3)
        async with Pull(bus, "ENFORCE", "crm") as pull:
            messages = await pull.take()
            assert messages[0].stream_sequence == 3
            await messages[0].ack()
        await ensure_consumer(bus, "ENFORCE", "crm", filter=filters, start_sequence=1)
        info = await bus.request_json("$JS.API.CONSUMER.INFO.ENFORCE.crm")
        assert info["config"]["opt_start_seq"] == 3
        assert info["config"]["max_deliver"] == -1

        async def one_less() -> bool:
            return await _unacknowledged(bus) == 2

        await eventually(one_less)


@asynchronous
async def test_what_a_stopped_loop_had_not_handed_over_is_at_once_there_for_another() -> None:
    async with nats_server() as server:
        one, other = await server.bus(), await server.bus()
        await ensure_stream(one, ENFORCE)
        await _send(one, 1, 30)
        await ensure_consumer(one, "ENFORCE", "crm", ack_wait=60)
        entered = asyncio.Event()

        async def stuck(messages: list[Message]) -> None:
            await messages[0].ack()
            entered.set()
            await asyncio.Event().wait()

        async with looping(one, stuck, batch=8):
            await asyncio.wait_for(entered.wait(), 5)
            await _send(other, 31, 31)
        got: set[int] = set()

        async def handle(messages: list[Message]) -> None:
            got.update(message.stream_sequence for message in messages)

        async with looping(other, handle):
            await eventually(lambda: {9, 30, 31} <= got)


@asynchronous
async def test_work_in_progress_is_not_delivered_again() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        await ensure_stream(bus, ENFORCE)
        await _send(bus, 1, 1)
        await ensure_consumer(bus, "ENFORCE", "crm", ack_wait=0.3)
        async with Pull(bus, "ENFORCE", "crm") as pull:
            (message,) = await pull.take()
            for _ in range(6):
                await asyncio.sleep(0.1)  # longer in all than ack_wait
                await message.in_progress()
            await message.ack()
            await _send(bus, 2, 2)
            (following,) = await pull.take()
            assert (following.stream_sequence, following.deliveries) == (2, 1)


@asynchronous
async def test_a_pull_ends_when_its_consumer_is_deleted_and_hands_out_what_had_arrived() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        await ensure_stream(bus, ENFORCE)
        await ensure_consumer(bus, "ENFORCE", "crm")
        async with Pull(bus, "ENFORCE", "crm") as pull:
            await _send(bus, 1, 3)
            await bus.request_json("$JS.API.CONSUMER.DELETE.ENFORCE.crm")
            assert [message.stream_sequence for message in await pull.take()] == [1, 2, 3]
            with pytest.raises(PullBroken):
                await pull.take()


@asynchronous
async def test_a_quiet_consumer_is_not_mistaken_for_a_broken_one() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        await ensure_stream(bus, ENFORCE)
        await ensure_consumer(bus, "ENFORCE", "crm")
        # Requests expire and are renewed several times while nothing is said but heartbeats.
        async with Pull(bus, "ENFORCE", "crm", heartbeat=0.1, expires=0.3) as pull:
            taking = asyncio.create_task(pull.take())
            await asyncio.wait([taking], timeout=1.2)
            assert not taking.done()
            await _send(bus, 1, 1)
            assert len(await asyncio.wait_for(taking, 5)) == 1
