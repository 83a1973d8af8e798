"""Durable consumers: work that is acknowledged message by message, for a downstream and for the notifier.

- Acknowledgements are explicit, redelivery is without end: a revocation is never dropped by its queue.
- A consumer has one replica and may vanish with its node; it is made again from a sequence that its owner knows.
- Acknowledging "all up to here" is deliberately absent: a delivery lost on the wire would be acknowledged by its
  successor, unseen. Whoever wants order and no acknowledgement each reads with `follow.LogFollower`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from consentledger.bus.connection import Bus
from consentledger.bus.errors import BusUnavailable, JetStreamError
from consentledger.bus.message import Message
from consentledger.bus.pull import Pull

__all__ = ["Handler", "Message", "PullLoop", "ensure_consumer"]

Handler = Callable[[list[Message]], Awaitable[None]]

_NOT_FOUND = 10014
_RESTART_S = 5.0
_EXISTS_OTHERWISE = (10012, 10013, 10148)


async def ensure_consumer(
    bus: Bus,
    stream: str,
    durable: str,
    *,
    filter: str | Sequence[str] = (),
    start_sequence: int = 0,
    ack_wait: float = 30.0,
    max_ack_pending: int = 1000,
    timeout: float = 2.0,
    **config: Any,
) -> None:
    """Make the durable pull consumer if it is absent; leave it as it is if it exists.

    A new one delivers from `start_sequence` on (0: from the stream's first message). `config` holds further fields of
    JetStream's ConsumerConfig. When the consumer's node does not answer, making it anew is tried: another node takes
    it over and goes on at `start_sequence`.
    """
    with suppress(BusUnavailable):
        try:
            await bus.request_json(f"$JS.API.CONSUMER.INFO.{stream}.{durable}", timeout=timeout)
            return
        except JetStreamError as error:
            if error.err_code != _NOT_FOUND:
                raise
    filters = [filter] if isinstance(filter, str) else list(filter)
    subjects = {"filter_subject": filters[0]} if len(filters) == 1 else {"filter_subjects": filters}
    start = {"deliver_policy": "by_start_sequence", "opt_start_seq": start_sequence} if start_sequence else {}
    wanted = {
        "durable_name": durable,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": int(ack_wait * 1e9),
        "max_deliver": -1,
        "max_ack_pending": max_ack_pending,
        "num_replicas": 1,
        **(subjects if filters else {}),
        **start,
        **config,
    }
    suffix = f".{filters[0]}" if len(filters) == 1 else ""
    try:
        await bus.request_json(
            f"$JS.API.CONSUMER.CREATE.{stream}.{durable}{suffix}",
            {"stream_name": stream, "config": wanted},
            timeout=timeout,
        )
    except JetStreamError as error:
        if error.err_code not in _EXISTS_OTHERWISE:
            raise


def _backoff(deliveries: int) -> float:
    return min(30.0, 0.5 * float(1 << min(deliveries - 1, 10)))


def _unnoticed(failure: Exception, message: Message | None) -> None:
    pass


class PullLoop:
    """Hands a consumer's messages to a handler, at least once each, and acknowledges when it returns.

    - `handler` gets what has arrived as one list, in order of delivery; lists are handled one after another.
    - If it raises for a list, each message is tried by itself, so that one bad message holds up no other. A message
      that still fails is given back with a delay that grows with its deliveries (`retry_delay`, in seconds) and
      reported to `on_failure`. Later messages go on: a handler that needs order compares positions.
    - `ensure`, if given, is awaited before every opening: it makes the consumer again when that is gone.
    - It survives killed servers and deleted consumers until `stop`; `on_failure` also hears why a pull ended, with None
      for the message.
    """

    def __init__(
        self,
        bus: Bus,
        stream: str,
        durable: str,
        handler: Handler,
        *,
        ensure: Callable[[], Awaitable[object]] | None = None,
        batch: int = 256,
        heartbeat: float = 1.0,
        retry_delay: Callable[[int], float] = _backoff,
        on_failure: Callable[[Exception, Message | None], None] = _unnoticed,
    ) -> None:
        self._bus = bus
        self._open: Callable[[], Pull] = lambda: Pull(bus, stream, durable, batch=batch, heartbeat=heartbeat)
        self._handler = handler
        self._ensure = ensure
        self._retry_delay = retry_delay
        self._on_failure = on_failure
        self._task: asyncio.Task[None] | None = None
        self.handled = 0
        """Messages acknowledged since the start, repeated ones included."""
        self.opened = 0
        """How often a pull was opened; more than once means that something broke."""

    async def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End at once, also inside the handler; what is not acknowledged is given back, to be delivered again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        delay = 0.05
        while True:
            try:
                await self._bus.wait_connected(60)
                if self._ensure is not None:
                    await self._ensure()
                async with self._open() as pull:
                    self.opened += 1
                    while True:
                        messages = await pull.take()
                        delay = 0.05
                        await self._handle_or_give_back(messages)
            except Exception as failure:
                self._tell(failure, None)
                await asyncio.sleep(delay)
                delay = min(2 * delay, 1.0)

    async def _handle_or_give_back(self, messages: list[Message]) -> None:
        try:
            await self._handle(messages)
        except asyncio.CancelledError:
            # Stopped with these in hand: whoever comes next gets them first, not after `ack_wait` and later ones.
            for message in messages:
                await message.nak()
            raise

    async def _handle(self, messages: list[Message]) -> None:
        try:
            await self._handler(messages)
        except Exception as failure:
            if len(messages) > 1:
                for message in messages:
                    if not message.settled:
                        await self._handle([message])
                return
            await self._reconnected()
            await messages[0].nak(self._retry_delay(messages[0].deliveries))
            self._tell(failure, messages[0])
            return
        await self._reconnected()
        for message in messages:
            await message.ack()
        self.handled += len(messages)

    async def _reconnected(self) -> None:
        # An acknowledgement that waits out a short restart of the server spares a redelivery after ack_wait.
        if not self._bus.connected:
            await self._bus.wait_connected(_RESTART_S)

    def _tell(self, failure: Exception, message: Message | None) -> None:
        with suppress(Exception):
            self._on_failure(failure, message)
