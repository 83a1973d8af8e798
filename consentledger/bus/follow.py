"""Reading a ledger's stream in order, from a position that the reader keeps itself.

For projections and processes that store their position in the transaction of what they did: nothing is acknowledged,
since the position is the acknowledgement. The rules:

- The handler sees every position exactly in order, without a gap or a repeat, as long as `position` tells what it has
  stored. A delivery lost on the way, a killed server, a lost consumer: the reader starts anew behind its position.
- If the handler raises, the same messages come again, after a delay that grows to `max_delay`. Nothing is skipped.
- A stream that no longer holds the next position (`max_age`, a rebuild) calls `behind`, which must bring the reader
  forward by other means (`ReplayEvents`); without it the reader waits, and `gap` tells so.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

from consentledger.bus.connection import Bus
from consentledger.bus.consumer import Handler
from consentledger.bus.errors import BusError
from consentledger.bus.message import Message
from consentledger.bus.pull import Pull

_ABANDONED_NS = int(30e9)


class LogFollower:
    """Hands the messages of a stream whose sequence is a log's position to `handler`, from `position() + 1` on.

    `name` is shown in the server's consumer list. `position` returns the last position that is done. `behind` gets
    (position, the first sequence that the stream has) when there is a gap between them.
    """

    def __init__(
        self,
        bus: Bus,
        stream: str,
        name: str,
        position: Callable[[], Awaitable[int]],
        handler: Handler,
        *,
        behind: Callable[[int, int], Awaitable[None]] | None = None,
        batch: int = 512,
        heartbeat: float = 1.0,
        max_delay: float = 5.0,
        on_failure: Callable[[Exception], None] = lambda failure: None,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._name = name
        self._position = position
        self._handler = handler
        self._behind = behind
        self._batch = batch
        self._heartbeat = heartbeat
        self._max_delay = max_delay
        self._on_failure = on_failure
        self._task: asyncio.Task[None] | None = None
        self.gap: tuple[int, int] | None = None
        """(position, first sequence available) while the stream lacks what comes next; otherwise None."""

    async def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End at once, also inside the handler."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        delay = 0.05
        while True:
            before = -1
            try:
                await self._bus.wait_connected(60)
                before = await self._position()
                await self._follow(before)
            except BusError:
                pass
            except Exception as failure:
                with suppress(Exception):
                    self._on_failure(failure)
            with suppress(Exception):
                if await self._position() > before:
                    delay = 0.05
            await asyncio.sleep(delay)
            delay = min(2 * delay, self._max_delay)

    async def _follow(self, position: int) -> None:
        consumer = f"{self._name}-{secrets.token_hex(6)}"
        config = {
            "name": consumer,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": position + 1,
            "ack_policy": "none",
            "max_deliver": 1,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": _ABANDONED_NS,
        }
        await self._bus.request_json(
            f"$JS.API.CONSUMER.CREATE.{self._stream}.{consumer}", {"stream_name": self._stream, "config": config}
        )
        pull = Pull(self._bus, self._stream, consumer, batch=self._batch, heartbeat=self._heartbeat, give_back=False)
        try:
            async with pull:
                while True:
                    messages = await pull.take()
                    position = await self._hand_over(messages, position)
        finally:
            with suppress(BusError):
                await self._bus.request_json(f"$JS.API.CONSUMER.DELETE.{self._stream}.{consumer}", timeout=1.0)

    async def _hand_over(self, messages: list[Message], position: int) -> int:
        dense: list[Message] = []
        for message in messages:
            if message.stream_sequence != position + len(dense) + 1:
                break
            dense.append(message)
        if dense:
            self.gap = None
            await self._handler(dense)
            position += len(dense)
        if len(dense) < len(messages):
            await self._missing(position, messages[len(dense)])
        return position

    async def _missing(self, position: int, next_one: Message) -> None:
        if next_one.consumer_sequence == 1:
            self.gap = (position, next_one.stream_sequence)
            if self._behind is not None:
                await self._behind(position, next_one.stream_sequence)
                self.gap = None
        raise BusError("the log goes on elsewhere than behind our position")
