"""Who waits for which reply: requests of one connection that are in flight.

nats-py's own requests wait out their timeout when the connection breaks or the publication is denied; these fail at
once, and say which of the two it was.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from nats.aio.msg import Msg

from consentledger.bus.errors import BusDenied, BusUnavailable
from consentledger.bus.wire import Received, shorten


class Replies:
    """The requests in flight under one inbox, which is subscribed to as `<inbox>.*`."""

    def __init__(self, inbox: str) -> None:
        self.inbox = inbox
        self._tokens = count(1)
        self._waiting: dict[str, tuple[str, asyncio.Future[Received]]] = {}

    @contextmanager
    def expect(self, subject: str) -> Iterator[tuple[str, asyncio.Future[Received]]]:
        """The reply subject for a request to `subject`, and the future of its reply."""
        token = str(next(self._tokens))
        future: asyncio.Future[Received] = asyncio.get_running_loop().create_future()
        self._waiting[token] = (subject.lower(), future)
        try:
            yield f"{self.inbox}.{token}", future
        finally:
            del self._waiting[token]
            if not future.cancel() and not future.cancelled():
                future.exception()  # taken, so that a request cancelled at the same moment leaves no warning behind

    async def deliver(self, msg: Msg) -> None:
        """Give a reply to whoever waits for it; one that comes too late is dropped."""
        waiting = self._waiting.get(msg.subject.rsplit(".", 1)[-1])
        if waiting is not None and not waiting[1].done():
            waiting[1].set_result(Received(msg.subject, msg.reply, msg.headers or {}, msg.data))

    def broken(self) -> None:
        """The connection broke: no outcome is known any more."""
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(BusUnavailable("the connection broke"))

    def denied(self, subject: str) -> None:
        """The server refused a publication to `subject`, in lower case as the library reports it."""
        for wanted, future in self._waiting.values():
            if wanted == subject and not future.done():
                future.set_exception(BusDenied(f"publishing to {shorten(subject)} is not allowed"))
