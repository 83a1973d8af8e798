"""A real nats-server for a test: started in a temporary directory, killed, restarted on its port, wiped.

`CONSENTLEDGER_TEST_NATS_URL` names a server of the operator's own instead (with JetStream, user and password in the
URL). Tests that must kill the server cannot run on it: they skip, and fail in CI.
"""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from consentledger.bus.connection import Bus, Journal, connect, unheard
from consentledger.bus.embedded import EmbeddedNats
from consentledger.bus.errors import BusError, JetStreamError
from consentledger.bus.publisher import LogPublisher, Outgoing
from consentledger.bus.serverconfig import NatsUser
from consentledger.bus.streams import stream_state

KEY = bytes(range(32))
OPERATORS_OWN = os.environ.get("CONSENTLEDGER_TEST_NATS_URL")


class MemoryLog:
    """A dense log in memory, as the source of a publisher.

    `name` makes its events differ from another log's. Without `identities` nothing but the expected sequence keeps a
    message from being stored twice, as when the server has forgotten the identities it saw.
    """

    def __init__(self, name: str = "log", *, identities: bool = True) -> None:
        self._name = name
        self._identities = identities
        self.events: list[Outgoing] = []

    def append(self, count: int = 1, size: int = 100) -> int:
        """Commit events of a payload of `size` bytes; the new head."""
        for position in range(len(self.events) + 1, len(self.events) + count + 1):
            payload = f"{self._name} {position}".ljust(size).encode()
            headers = {"Nats-Msg-Id": f"{self._name}/{position}"} if self._identities else {}
            self.events.append(Outgoing(position, f"ledger.consent.acme.e{position % 3}", headers, payload))
        return len(self.events)

    async def after(self, position: int, limit: int) -> list[Outgoing]:
        return self.events[position : position + limit]

    def contents(self) -> list[tuple[int, str, bytes]]:
        """What the stream must hold, as `stored` returns it."""
        return [(event.sequence, event.subject, event.payload) for event in self.events]


class NatsServer:
    """A server that stays down when killed, until `start` brings it back on the same port."""

    def __init__(self, directory: Path, users: Sequence[NatsUser] = ()) -> None:
        self.directory = directory
        self._embedded = EmbeddedNats(directory, KEY, supervise=False, users=users)
        self._buses: list[Bus] = []

    @property
    def url(self) -> str:
        return self._embedded.url

    @property
    def credentials(self) -> dict[str, str]:
        """User and password of the owner, as `connect` takes them."""
        return {"user": self._embedded.user, "password": self._embedded.password}

    async def bus(self, name: str = "test", *, journal: Journal = unheard, **options: Any) -> Bus:
        """A connection that is closed with the server; as the owner unless `user` and `password` are given."""
        bus = await connect(self.url, name, journal=journal, **({**self.credentials, **options}))
        self._buses.append(bus)
        return bus

    async def start(self) -> None:
        await self._embedded.start()

    async def kill(self) -> None:
        """kill -9; the store stays."""
        await self._embedded.kill()

    async def crash(self, down: float = 0.05) -> None:
        """kill -9, stay down for some seconds, come back on the same port and store."""
        await self.kill()
        await asyncio.sleep(down)
        await self.start()

    async def set_users(self, users: Sequence[NatsUser]) -> None:
        """Replace the users beside the owner."""
        await self._embedded.set_users(users)

    def wipe(self) -> None:
        """Lose every stream; only while the server is down."""
        shutil.rmtree(self.directory / "jetstream")

    async def close(self) -> None:
        for bus in self._buses:
            await bus.close()
        await self._embedded.stop()


class OperatorsServer(NatsServer):
    """The operator's own server: used as it is, its streams removed before and after."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url = f"{parts.scheme}://{parts.hostname}:{parts.port or 4222}"
        self._login = {"user": parts.username, "password": parts.password}
        self._buses = []

    @property
    def url(self) -> str:
        return self._url

    @property
    def credentials(self) -> dict[str, str]:
        return {key: value for key, value in self._login.items() if value}

    async def start(self) -> None:
        await self._clear()

    async def kill(self) -> None:
        cannot_run("the operator's own nats-server cannot be killed")

    async def close(self) -> None:
        await self._clear()
        for bus in self._buses:
            await bus.close()

    async def _clear(self) -> None:
        bus = await self.bus("clear")
        for name in ("LEDGER", "LEDGER_RIGHTS", "LEDGER_NOTIFIER", "ENFORCE", "ACKS"):
            try:
                await bus.request_json(f"$JS.API.STREAM.DELETE.{name}")
            except JetStreamError as error:
                if error.code != 404:
                    raise


@asynccontextmanager
async def nats_server(*, kills: bool = False, users: Sequence[NatsUser] = ()) -> AsyncIterator[NatsServer]:
    """A running server. One that the test kills, or that has `users`, is always the test's own."""
    if OPERATORS_OWN and (kills or users):
        cannot_run("needs a nats-server of the test's own")
    with tempfile.TemporaryDirectory(prefix="consentledger-nats-") as temporary:
        server = OperatorsServer(OPERATORS_OWN) if OPERATORS_OWN else NatsServer(Path(temporary), users)
        await server.start()
        try:
            yield server
        finally:
            await server.close()


def cannot_run(reason: str) -> None:
    """Skip, loudly; in CI fail, where everything must run."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"cannot run: {reason}")
    pytest.skip(reason)


async def eventually(holds: Callable[[], bool | Awaitable[bool]], timeout: float = 10.0) -> None:
    """Return as soon as `holds()`; fail after `timeout` seconds."""
    try:
        async with asyncio.timeout(timeout):
            while True:
                try:
                    answer = holds()
                    if answer if isinstance(answer, bool) else await answer:
                        return
                except BusError:
                    pass
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"did not happen within {timeout} s") from None


async def stored(bus: Bus, stream: str, first: int, last: int) -> list[tuple[int, str, bytes]]:
    """(sequence, subject, payload) of each message that the stream holds from `first` to `last`, one by one."""

    async def get(sequence: int) -> tuple[int, str, bytes] | None:
        wanted = json.dumps({"seq": sequence}).encode()
        found = await bus.request(f"$JS.API.DIRECT.GET.{stream}", wanted)
        if "Status" in found.headers:
            return None
        return int(found.headers["Nats-Sequence"]), found.headers["Nats-Subject"], found.payload

    messages = []
    for start in range(first, last + 1, 200):
        messages += await asyncio.gather(*(get(sequence) for sequence in range(start, min(start + 200, last + 1))))
    return [message for message in messages if message is not None]


@asynccontextmanager
async def publishing(bus: Bus, log: MemoryLog, **options: Any) -> AsyncIterator[LogPublisher]:
    """A publisher of the log into `LEDGER` that runs meanwhile."""
    publisher = LogPublisher(bus, "LEDGER", log, **options)
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


async def holds_exactly(bus: Bus, log: MemoryLog, first: int = 1) -> None:
    """The stream holds the log, each position at its own sequence, and nothing more."""
    head = len(log.events)
    state = await stream_state(bus, "LEDGER")
    assert state is not None
    assert (state.last, state.messages) == (head, head - first + 1)
    assert await stored(bus, "LEDGER", first, head) == log.contents()[first - 1 :]


def asynchronous(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test's coroutine in an event loop of its own."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run
