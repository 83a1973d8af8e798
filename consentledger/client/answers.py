"""Makes a downstream's answers durable in the stream ACKS, many at once, and then settles the messages.

- While some are on their way to the disk the next ones gather, and go as one atomic batch: a disk that is synced for
  every message is what bounds a downstream that acknowledges one by one.
- A message is settled after its answer is durable. What could not be said is handed back, to be enforced again.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from consentledger.bus.connection import Bus
from consentledger.bus.errors import BusError
from consentledger.bus.message import Message
from consentledger.bus.wire import answer
from consentledger.client.obligation import Outcome

_MOST = 256
_EXPECTED = {"Nats-Expected-Stream": "ACKS"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be said about one message's obligation."""

    message: Message
    obligation: str
    subject: str
    outcome: Outcome

    @property
    def body(self) -> bytes:
        """The message to publish."""
        return self.outcome.message(self.obligation)


async def publish(bus: Bus, answers: list[Answer]) -> None:
    """Make them durable, all or none. Raises `BusError`: then the outcome is open, and saying it again does no harm."""
    *others, last = answers
    headers = _EXPECTED
    if others:
        batch = uuid.uuid4().hex
        for number, one in enumerate(others, 1):
            part = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
            await bus.publish(one.subject, one.body, headers=part | _EXPECTED if number == 1 else part)
        headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(len(answers)), "Nats-Batch-Commit": "1"}
    answer(await bus.request(last.subject, last.body, headers=headers))


class Answers:
    """`unsaid` gets each answer that could not be said, and why."""

    def __init__(self, bus: Bus, unsaid: Callable[[Answer, Exception], Awaitable[None]]) -> None:
        self._bus = bus
        self._unsaid = unsaid
        self._waiting: list[Answer] = []
        self._task: asyncio.Task[None] | None = None
        self.said = 0
        """Answers that are durable, repeats included."""

    def say(self, one: Answer) -> None:
        """Say this as soon as what is on its way has arrived."""
        self._waiting.append(one)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="answers")

    async def finished(self) -> None:
        """Return when everything was said or handed back."""
        if self._task is not None:
            await self._task

    async def stop(self) -> None:
        """Say nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            try:
                await publish(self._bus, batch)
            except BusError as failure:
                for one in batch:
                    await self._unsaid(one, failure)
                continue
            # Commit point: the answers are durable. A crash before it enforces again; after it, at most answers again.
            for one in batch:
                await one.message.ack()
            self.said += len(batch)
