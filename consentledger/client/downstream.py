"""Receives a downstream's obligations from NATS, hands them over in order, and answers.

- The answer is durable in the stream ACKS *before* the message is settled: settling proves nothing, and a crash in
  between only delivers the message again.
- Handing over is in order. If the handler raises, the message comes again after a delay, and until then no later one
  about the same person is handed over; others go on. A person whose message does not come back is not held for ever.
- One process a downstream: two that share its consumer would not keep the order of one person.
- It goes on through killed servers and lost connections until stopped.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from consentledger.bus.connection import Bus, connect
from consentledger.bus.consumer import PullLoop
from consentledger.bus.errors import BusError
from consentledger.bus.message import Message
from consentledger.client.answers import Answer, Answers, publish
from consentledger.client.obligation import RECEIVED, Obligation, Outcome
from consentledger.client.subjects import ack_subject, consumer_name, inbox_prefix

Handler = Callable[[Obligation], Awaitable[Outcome]]
"""Enforces one obligation. May get the same one again. To try later, raise."""

_STILL_AT_IT_S = 3.0
_RESTART_S = 10.0
_GRACE_S = 5.0


def _delay(deliveries: int) -> float:
    return min(30.0, 0.5 * float(1 << min(deliveries - 1, 6)))


@dataclass(frozen=True, slots=True)
class _Held:
    """A person whose obligation is being tried again."""

    first: int
    """Sequence of that message: later ones wait for it."""
    until: float
    """When they no longer wait, on the loop's clock."""
    delay: float
    """How long they are put off each time."""


def _unheard(obligation: str, failure: Exception) -> None:
    pass


class Downstream:
    """One downstream of one tenant: `async with`, or `start` and `stop`.

    Credentials are a user and password, or the path of a `.creds` file. `announce` tells RECEIVED before the handler is
    called, for handlers that take long. `on_failure` hears the obligation's id and why it will be tried again.
    """

    def __init__(
        self,
        url: str,
        tenant: str,
        downstream: str,
        handler: Handler,
        *,
        user: str | None = None,
        password: str | None = None,
        credentials: str | None = None,
        tls: ssl.SSLContext | None = None,
        announce: bool = False,
        retry_delay: Callable[[int], float] = _delay,
        on_failure: Callable[[str, Exception], None] = _unheard,
    ) -> None:
        self._url = url
        self._tenant = tenant
        self._downstream = downstream
        self._handler = handler
        self._user = user
        self._password = password
        self._credentials = credentials
        self._tls = tls
        self._announce = announce
        self._retry_delay = retry_delay
        self._on_failure = on_failure
        self._held: dict[str, _Held] = {}
        self._bus: Bus | None = None
        self._loop: PullLoop | None = None
        self._answers: Answers | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def answered(self) -> int:
        """Obligations whose outcome is durable, repeats included."""
        return self._answers.said if self._answers is not None else 0

    async def start(self) -> None:
        """Begin, in the background; NATS may come later."""
        self._bus = await connect(
            self._url,
            f"downstream {self._tenant}/{self._downstream}",
            user=self._user,
            password=self._password,
            credentials=self._credentials,
            tls=self._tls,
            inbox_prefix=inbox_prefix(self._tenant, self._downstream),
            timeout=None,
        )
        self._answers = Answers(self._bus, self._unsaid)
        consumer = consumer_name(self._tenant, self._downstream)
        self._loop = PullLoop(self._bus, "ENFORCE", consumer, partial(self._handle, self._bus, self._answers))
        await self._loop.start()

    async def stop(self) -> None:
        """End at once, also inside the handler. What has no durable answer comes again."""
        if self._loop is not None:
            await self._loop.stop()
        if self._answers is not None:
            await self._answers.stop()
        if self._bus is not None:
            await self._bus.close()

    async def _handle(self, bus: Bus, answers: Answers, messages: list[Message]) -> None:
        beat = asyncio.create_task(_still_at_it(messages))
        try:
            for message in messages:
                said = await self._enforce(bus, message)
                if said is not None:
                    # While this answer is on its way to the disk, the next obligation is enforced.
                    answers.say(said)
            await answers.finished()
        finally:
            beat.cancel()

    async def _enforce(self, bus: Bus, message: Message) -> Answer | None:
        held = self._held.get(message.subject)
        now = asyncio.get_running_loop().time()
        if held is not None and held.first < message.stream_sequence and now < held.until:
            await message.nak(held.delay)
            return None
        id = ""
        try:
            obligation = Obligation.read(message.payload)
            id = obligation.id
            if self._announce:
                await publish(bus, [self._answer(message, id, RECEIVED)])
            outcome = await self._handler(obligation)
        except Exception as failure:
            await self._again(message, id, failure)
            return None
        self._held.pop(message.subject, None)
        return self._answer(message, id, outcome)

    def _answer(self, message: Message, id: str, outcome: Outcome) -> Answer:
        return Answer(message, id, ack_subject(self._tenant, self._downstream, id), outcome)

    async def _unsaid(self, said: Answer, failure: Exception) -> None:
        await self._again(said.message, said.obligation, failure)

    async def _again(self, message: Message, id: str, failure: Exception) -> None:
        delay = self._retry_delay(message.deliveries)
        held = self._held.get(message.subject)
        first = min(message.stream_sequence, held.first if held is not None else message.stream_sequence)
        until = asyncio.get_running_loop().time() + delay + _GRACE_S
        self._held[message.subject] = _Held(first, until, delay)
        with suppress(Exception):
            self._on_failure(id, failure)
        # One that waits out a short restart of the server spares the consumer's wait for what nobody settled.
        with suppress(BusError):
            await message.bus.wait_connected(_RESTART_S)
        await message.nak(delay)


async def _still_at_it(messages: list[Message]) -> None:
    """Tell the server every few seconds that what is not settled is being worked on."""
    while True:
        await asyncio.sleep(_STILL_AT_IT_S)
        for message in messages:
            if not message.settled:
                await message.in_progress()
