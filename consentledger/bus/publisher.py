"""The outbox: carries a dense log into a JetStream stream, exactly once, so that stream sequence = position.

Nothing is stored for it: the stream's own last sequence says how far it got. Every publication names the sequence it
must follow (`Nats-Expected-Last-Sequence`), which makes all of it idempotent and fences replicas: of several publishers
racing, exactly one wins each batch. The rules:

- One message is published plainly, several as one atomic batch. Both carry the expected last sequence.
- Any error or timeout leaves the outcome open. So it is never retried as it was: the stream is asked where it is
  (`STREAM.INFO`), and publishing goes on behind that.
- `STREAM.INFO` may come from a stale leader. An answer behind what was acknowledged to us is asked again for
  `stale_for` seconds; after that the stream is taken to have lost its end, an alarm is raised, and the lost part is
  published again under its own positions.
- A stream that is ahead of the log, or whose newest message is not the log's, is a fork: publishing halts until a
  restart, for the log's growth must not make the two look equal again.
- An absent stream, a full one and a message that is too large halt publishing with an alarm; it goes on by itself once
  that is mended. Nothing is skipped, ever.
"""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Callable, Sequence

from consentledger.bus.connection import Bus
from consentledger.bus.errors import BusDenied, BusUnavailable
from consentledger.bus.publication import Halt, LogSource, Outgoing, PublisherState, state_of
from consentledger.bus.streams import stream_state
from consentledger.bus.wire import answer, message_size

__all__ = ["LogPublisher", "LogSource", "Outgoing", "PublisherState"]

_BATCH_BYTES = 4 << 20
_IDENTITY = "Nats-Msg-Id"


class LogPublisher:
    """Publishes one log into one stream, until stopped.

    `published` is a position known to have been published before, or 0: an emptier stream is then noticed. `on_state`
    is called at every change of state, `on_published` whenever `published` grows. Times are in seconds.
    """

    def __init__(
        self,
        bus: Bus,
        stream: str,
        source: LogSource,
        *,
        published: int = 0,
        batch: int = 256,
        poll: float = 1.0,
        timeout: float = 3.0,
        stale_for: float = 15.0,
        on_state: Callable[[PublisherState], None] = lambda state: None,
        on_published: Callable[[int], None] = lambda position: None,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._source = source
        self._published = published
        self._batch = min(batch, 1000)
        self._poll = poll
        self._timeout = timeout
        self._stale_for = stale_for
        self._on_state = on_state
        self._on_published = on_published
        self._state = PublisherState.STARTING
        self._woken = asyncio.Event()
        self._compared = False
        self._stale_since: float | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def published(self) -> int:
        """The last position known to be in the stream."""
        return self._published

    @property
    def state(self) -> PublisherState:
        """What it is doing."""
        return self._state

    def wake(self) -> None:
        """Call after every commit: publishes at once. Without it the log is looked at every `poll` seconds."""
        self._woken.set()

    async def flush(self, sequence: int, timeout: float) -> None:
        """Return once `sequence` is in the stream; `TimeoutError` after `timeout` seconds."""
        if self._published >= sequence:
            return
        waiter = (sequence, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self.wake()
        try:
            async with asyncio.timeout(timeout):
                await waiter[1]
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(waiter)

    async def start(self) -> None:
        """Begin, in the background, from wherever the stream is."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End at once. What is in flight may or may not be stored; the next start finds out."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        delay = 0.0
        while self._state is not PublisherState.FORK:
            try:
                await self._bus.wait_connected(self._poll)
                await self._resync()
                while True:
                    await self._publish_all()
                    delay = 0.0
                    try:
                        async with asyncio.timeout(self._poll):
                            await self._woken.wait()
                    except TimeoutError:
                        await self._resync()
            except Exception as error:
                state = state_of(error)
                if state is not None:
                    self._enter(state)
                    delay = self._poll if state.alarming else delay
                await asyncio.sleep(delay)
                delay = min(max(2 * delay, 0.05), self._poll)

    async def _publish_all(self) -> None:
        while True:
            self._woken.clear()
            messages = self._checked(await self._source.after(self._published, self._batch))
            if not messages:
                self._enter(PublisherState.RUNNING)
                return
            await self._publish(messages)
            self._advance(messages[-1].sequence)

    def _checked(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        fitting: list[Outgoing] = []
        room = _BATCH_BYTES
        for at, message in enumerate(messages, self._published + 1):
            if message.sequence != at:
                raise Halt(PublisherState.LOG_GAP)
            size = message_size(message.headers, message.payload) + 200
            if size > self._bus.max_payload:
                if fitting:
                    break
                raise Halt(PublisherState.MESSAGE_TOO_LARGE)
            room -= size
            if fitting and room < 0:
                break
            fitting.append(message)
        return fitting

    async def _publish(self, messages: list[Outgoing]) -> None:
        # Commit point: the server's acknowledgement of the last message. Before it nothing of the batch is stored;
        # after it all of it is, whether or not the acknowledgement reaches us.
        last = messages[-1]
        expected = {"Nats-Expected-Stream": self._stream, "Nats-Expected-Last-Sequence": str(self._published)}
        if len(messages) == 1:
            received = await self._bus.request(
                last.subject, last.payload, headers={**last.headers, **expected}, timeout=self._timeout
            )
        else:
            batch = uuid.uuid4().hex
            for number, message in enumerate(messages[:-1], 1):
                headers = {**message.headers, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
                if number == 1:
                    headers |= expected
                await self._bus.publish(message.subject, message.payload, headers=headers)
            closing = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(len(messages)), "Nats-Batch-Commit": "1"}
            received = await self._bus.request(
                last.subject, last.payload, headers={**last.headers, **closing}, timeout=self._timeout
            )
        if answer(received).get("seq") != last.sequence:
            raise Halt(PublisherState.FORK)

    async def _resync(self) -> None:
        found = await stream_state(self._bus, self._stream, timeout=self._timeout)
        if found is None:
            raise Halt(PublisherState.STREAM_ABSENT)
        if found.last < self._published and not self._stale_long_enough():
            raise BusUnavailable("an answer older than what was acknowledged to us")
        self._stale_since = None
        if found.last > 0 and (found.last != self._published or not self._compared):
            await self._compare(found.last, kept=found.messages > 0)
        if found.last < self._published:
            self._enter(PublisherState.STREAM_BEHIND)
            self._published = found.last
        self._advance(found.last)

    def _stale_long_enough(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._stale_since is None:
            self._stale_since = now
        return now - self._stale_since >= self._stale_for

    async def _compare(self, last: int, *, kept: bool) -> None:
        """Halt unless the stream's newest message is the log's at the same position."""
        # The log is read after the stream, so whatever the stream holds was in the log before.
        logged = await self._source.after(last - 1, 1)
        if not logged or logged[0].sequence != last:
            raise Halt(PublisherState.FORK)
        if kept and (not self._compared or last < self._published):
            identity = await self._stored_identity(last)
            if identity is not None and identity != logged[0].headers.get(_IDENTITY):
                raise Halt(PublisherState.FORK)
            self._compared = identity is not None

    async def _stored_identity(self, sequence: int) -> str | None:
        try:
            received = await self._bus.request(
                f"$JS.API.DIRECT.GET.{self._stream}",
                json.dumps({"seq": sequence}).encode(),
                timeout=self._timeout,
            )
        except BusDenied:
            return None
        return received.headers.get(_IDENTITY)

    def _advance(self, position: int) -> None:
        if position <= self._published:
            return
        self._published = position
        for waiter in [waiter for waiter in self._waiting if waiter[0] <= position]:
            self._waiting.remove(waiter)
            if not waiter[1].done():
                waiter[1].set_result(None)
        with contextlib.suppress(Exception):
            self._on_published(position)

    def _enter(self, state: PublisherState) -> None:
        if state is not self._state:
            self._state = state
            with contextlib.suppress(Exception):
                self._on_state(state)
