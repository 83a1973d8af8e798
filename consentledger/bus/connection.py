"""One connection to NATS that never gives up: connect, publish, request, subscribe.

Only the core protocol of nats-py is used. Its JetStream helpers lose messages and hang on server errors, so the
JetStream API is spoken here as what it is: JSON by request and reply. The rules:

- It reconnects for ever, also when the library has given up (a refused credential, a protocol error); subscriptions
  are renewed. Callbacks given to the library cannot raise: one that did would stop reconnection for good.
- A request in flight when the connection breaks fails at once with `BusUnavailable`, which is not "it did not happen".
- Nothing is buffered while disconnected: publishing then raises `BusUnavailable`.
- A denied publish, which the protocol reports only out of band, fails the request that waits for it (`BusDenied`) and
  reaches the journal.

    bus = await connect("nats://127.0.0.1:4222", "consent")
    info = await bus.request_json("$JS.API.STREAM.INFO.LEDGER")
"""

import asyncio
import json
import secrets
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as LibrarySubscription

from consentledger.bus.errors import BusError, BusRefused, BusUnavailable, MessageTooLarge
from consentledger.bus.mishaps import Journal, Mishaps, unheard
from consentledger.bus.replies import Replies
from consentledger.bus.wire import Received, answer, message_size

__all__ = ["Bus", "Journal", "Subscription", "connect", "unheard"]


@dataclass(eq=False, slots=True)
class Subscription:
    """A subscription that outlives the connection it was made on."""

    bus: "Bus"
    subject: str
    deliver: Callable[[Msg], Awaitable[None]]
    live: LibrarySubscription | None = None

    async def close(self) -> None:
        """Deliver nothing more. Never raises."""
        await self.bus.unsubscribe(self)


class Bus:
    """A connection; make one with `connect`."""

    def __init__(self, options: Mapping[str, Any], inbox_prefix: str, journal: Journal) -> None:
        self._options = options
        self._inboxes = inbox_prefix
        self._client: Client | None = None
        self._connected = asyncio.Event()
        self._closing = False
        self._opening: asyncio.Task[None] | None = None
        self._subscriptions: list[Subscription] = []
        self._disconnect_hooks: list[Callable[[], None]] = []
        self._replies = Replies(self.new_inbox())
        self._mishaps = Mishaps(journal, self._replies.denied)
        self._subscriptions.append(Subscription(self, f"{self._replies.inbox}.*", self._replies.deliver))

    @property
    def connected(self) -> bool:
        """Whether publishing is possible now."""
        return self._connected.is_set() and self._client is not None and self._client.is_connected

    @property
    def refused(self) -> bool:
        """Whether the last attempt to connect failed for our credentials."""
        return self._mishaps.refused

    @property
    def max_payload(self) -> int:
        """The server's limit for headers and payload together, in bytes."""
        return self._client.max_payload if self._client else 1_048_576

    def new_inbox(self) -> str:
        """A subject that nobody else uses."""
        return f"{self._inboxes}.{secrets.token_hex(11)}"

    async def wait_connected(self, timeout: float) -> None:
        """Return once connected; `BusUnavailable` after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._connected.wait()
        except TimeoutError:
            raise BusUnavailable("not connected") from None

    def on_disconnect(self, hook: Callable[[], None]) -> Callable[[], None]:
        """Call `hook` whenever the connection breaks; returns what removes it."""
        self._disconnect_hooks.append(hook)
        return lambda: self._disconnect_hooks.remove(hook)

    async def publish(
        self, subject: str, payload: bytes = b"", *, headers: Mapping[str, str] | None = None, reply: str = ""
    ) -> None:
        """Send one message, unacknowledged. `MessageTooLarge` and `BusUnavailable` mean that it was not sent."""
        client = self._client
        if client is None or not self.connected:
            raise BusUnavailable("not connected")
        if message_size(headers, payload) > client.max_payload:
            # The library checks the payload alone; the server answers the rest by closing the connection.
            raise MessageTooLarge(f"over {client.max_payload} bytes")
        try:
            await client.publish(subject, payload, reply=reply, headers=dict(headers) if headers else None)
        except (nats.errors.BadSubjectError, nats.errors.BadHeaderError):
            raise ValueError("a subject or header name that NATS does not allow") from None
        except (nats.errors.Error, OSError) as error:
            raise BusUnavailable(type(error).__name__) from None

    async def request(
        self, subject: str, payload: bytes = b"", *, headers: Mapping[str, str] | None = None, timeout: float = 5.0
    ) -> Received:
        """Publish and wait for the first reply. `BusUnavailable` leaves the outcome open; see the module's rules."""
        with self._replies.expect(subject) as (reply, future):
            await self.publish(subject, payload, headers=headers, reply=reply)
            try:
                async with asyncio.timeout(timeout):
                    received = await future
            except TimeoutError:
                raise BusUnavailable("no answer in time") from None
        if received.headers.get("Status") == "503":
            raise BusUnavailable("no responders")
        return received

    async def request_json(
        self, subject: str, payload: Mapping[str, Any] | None = None, *, timeout: float = 5.0
    ) -> dict[str, Any]:
        """One call of the JetStream API. Raises `JetStreamError` for its error answers."""
        body = b"" if payload is None else json.dumps(payload).encode()
        return answer(await self.request(subject, body, timeout=timeout))

    async def subscribe(self, subject: str, deliver: Callable[[Msg], Awaitable[None]]) -> Subscription:
        """Call `deliver` for each message, one after another, until closed. Unbounded: pull only what you can hold."""
        subscription = Subscription(self, subject, deliver)
        self._subscriptions.append(subscription)
        if self._client is not None:
            try:
                await self._attach(self._client, subscription)
            except BaseException:
                self._subscriptions.remove(subscription)
                raise
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a subscription. Never raises."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
        live, subscription.live = subscription.live, None
        if live is not None:
            with suppress(Exception):
                await live.unsubscribe()

    async def close(self) -> None:
        """Disconnect for good. Never raises."""
        self._closing = True
        if self._opening is not None:
            await _ended(self._opening)
        if self._client is not None:
            with suppress(Exception):
                async with asyncio.timeout(5):
                    await self._client.close()
        self._broken()

    def open(self) -> None:
        """Start connecting, in the background and for ever."""
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        while not self._closing:
            client = Client()
            try:
                await client.connect(
                    **self._options,
                    error_cb=self._mishaps.note,
                    disconnected_cb=self._on_disconnected,
                    reconnected_cb=self._on_reconnected,
                    closed_cb=partial(self._on_closed, client),
                )
                for subscription in tuple(self._subscriptions):
                    await self._attach(client, subscription)
                if client.is_connected:
                    self._client = client
                    await self._on_reconnected()
                    return
            except (nats.errors.Error, OSError, TimeoutError, BusUnavailable) as error:
                await self._mishaps.note(error)
            finally:
                if client is not self._client:
                    with suppress(Exception):
                        await client.close()
            await asyncio.sleep(0.2)

    async def _attach(self, client: Client, subscription: Subscription) -> None:
        try:
            subscription.live = await client.subscribe(
                subscription.subject, cb=subscription.deliver, pending_msgs_limit=0, pending_bytes_limit=0
            )
        except (nats.errors.Error, OSError) as error:
            raise BusUnavailable(type(error).__name__) from None

    async def _on_reconnected(self) -> None:
        self._mishaps.mended()
        self._connected.set()
        self._mishaps.tell("bus.connected")

    async def _on_disconnected(self) -> None:
        if self._connected.is_set():
            self._mishaps.tell("bus.disconnected")
        self._broken()

    async def _on_closed(self, client: Client) -> None:
        if client is not self._client:
            return
        self._broken()
        if not self._closing:
            self._mishaps.tell("bus.reopening")
            self._client = None
            self.open()

    def _broken(self) -> None:
        self._connected.clear()
        self._replies.broken()
        for hook in tuple(self._disconnect_hooks):
            with suppress(Exception):
                hook()


async def _ended(task: "asyncio.Task[None]") -> None:
    """Cancel it until it ends: the library takes a cancellation that meets it between two attempts for a failed one."""
    for _ in range(50):
        task.cancel()
        if (await asyncio.wait([task], timeout=0.1))[0]:
            return


async def connect(
    url: str,
    name: str,
    *,
    user: str | None = None,
    password: str | None = None,
    credentials: str | None = None,
    nkey_seed: str | None = None,
    tls: ssl.SSLContext | None = None,
    tls_first: bool = False,
    inbox_prefix: str = "_INBOX",
    journal: Journal = unheard,
    timeout: float | None = 10.0,
) -> Bus:
    """Connect to NATS.

    `url` may name several servers, separated by commas; `name` is shown in the server's connection list.
    `credentials` is the path of a `.creds` file. `timeout` is in seconds: after it `BusRefused` (credentials) or
    `BusUnavailable` is raised; with None the call returns at once and connecting goes on in the background.
    """
    options: dict[str, Any] = {
        "servers": url.split(","),
        "name": name,
        "allow_reconnect": True,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.1,
        "connect_timeout": 2,
        "ping_interval": 2,
        "max_outstanding_pings": 2,
    }
    given = {
        "user": user,
        "password": password,
        "user_credentials": credentials,
        "nkeys_seed_str": nkey_seed,
        "tls": tls,
        "tls_handshake_first": tls_first or None,
    }
    options.update({key: value for key, value in given.items() if value is not None})
    bus = Bus(options, inbox_prefix, journal)
    bus.open()
    if timeout is not None:
        try:
            await bus.wait_connected(timeout)
        except BaseException as error:
            refused = bus.refused
            await bus.close()
            if refused and isinstance(error, BusError):
                raise BusRefused("the server refused our credentials") from None
            raise
    return bus
