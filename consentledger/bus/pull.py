"""One continuous pull from a consumer (NATS ADR-37): from opening it until something breaks it.

Requests are refilled while messages flow, so that a busy consumer never waits for a round trip. What is requested and
what is buffered together never exceed `batch`. The rules:

- `take` returns everything that has arrived, in order of delivery: batches form by themselves under load, and a lone
  message is not held back.
- A pull ends, by `PullBroken`, on a lost connection, a deleted or moved consumer, or silence: the server sends a
  heartbeat when it has nothing else to say. What had arrived by then is still handed out first.
- A new pull is a new inbox, so that nothing of an older one is mistaken for its own.
"""

import asyncio
import json
from contextlib import suppress
from types import TracebackType
from typing import Self

from nats.aio.msg import Msg

from consentledger.bus.connection import Bus, Subscription
from consentledger.bus.errors import BusError, BusUnavailable
from consentledger.bus.message import Message, message_of


class PullBroken(BusUnavailable):
    """This pull delivers no more; open another."""


class Pull:
    """Use as `async with Pull(bus, "ENFORCE", "crm") as pull: messages = await pull.take()`.

    `batch` is how many messages may be on their way or waiting here; `heartbeat` and `expires` are in seconds.
    `give_back` is False for a consumer without acknowledgements.
    """

    def __init__(
        self,
        bus: Bus,
        stream: str,
        consumer: str,
        *,
        batch: int = 256,
        heartbeat: float = 1.0,
        expires: float = 30.0,
        give_back: bool = True,
    ) -> None:
        self._bus = bus
        self._give_back = give_back
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._batch = batch
        self._heartbeat = heartbeat
        self._expires = expires
        self._inbox = bus.new_inbox()
        self._asked = 0
        self._requests = 0
        self._buffer: list[Message] = []
        self._stirred = asyncio.Event()
        self._broken: str | None = None
        self._subscription: Subscription | None = None
        self._forget = bus.on_disconnect(lambda: self._break("the connection broke"))

    async def __aenter__(self) -> Self:
        try:
            self._subscription = await self._bus.subscribe(f"{self._inbox}.*", self._deliver)
            await self._refill()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def take(self) -> list[Message]:
        """Everything that has arrived, at least one message; waits for it. Raises `PullBroken`."""
        while not self._buffer:
            if self._broken is not None:
                raise PullBroken(self._broken)
            self._stirred.clear()
            try:
                async with asyncio.timeout(2 * self._heartbeat + 0.5):
                    await self._stirred.wait()
            except TimeoutError:
                self._break("silence")
        messages, self._buffer = self._buffer, []
        if self._broken is None:
            await self._refill()
        return messages

    async def close(self) -> None:
        """End the pull and give back what nobody took. Never raises."""
        self._break("closed")
        self._forget()
        self._forget = _nothing
        if self._subscription is not None:
            await self._subscription.close()
            self._subscription = None
        buffer, self._buffer = self._buffer, []
        if self._give_back and self._bus.connected:
            for message in buffer:
                await message.nak()

    async def _refill(self) -> None:
        held = self._asked + len(self._buffer)
        if held > self._batch // 2:
            return
        wanted = self._batch - held
        self._requests += 1
        self._asked += wanted
        request = {
            "batch": wanted,
            "expires": int(self._expires * 1e9),
            "idle_heartbeat": int(self._heartbeat * 1e9),
        }
        try:
            await self._bus.publish(self._next, json.dumps(request).encode(), reply=f"{self._inbox}.{self._requests}")
        except BusError as error:
            self._break(type(error).__name__)

    async def _deliver(self, msg: Msg) -> None:
        message = message_of(self._bus, msg)
        if message is not None:
            self._asked -= 1
            self._buffer.append(message)
            self._stirred.set()
            await self._refill()
            return
        headers = msg.headers or {}
        status, description = headers.get("Status", ""), headers.get("Description", "")
        if status in ("404", "408") or description == "Batch Completed":
            with suppress(ValueError):
                self._asked -= int(headers.get("Nats-Pending-Messages", "0"))
            await self._refill()
        elif status != "100":
            self._break(f"{status} {description}")
        self._stirred.set()

    def _break(self, why: str) -> None:
        if self._broken is None:
            self._broken = why
        self._stirred.set()


def _nothing() -> None:
    pass
