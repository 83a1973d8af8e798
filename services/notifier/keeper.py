"""Keeps the streams and consumers that the notifier owns: makes them, and makes them again after a loss.

- ENFORCE that was there and is gone is an alarm, since a server with a wrong key shows it as absent too; unless
  `rebuild` is set, or `rebuild_enforce` is called: then it is made anew, and everything still open is sent again.
- What a downstream let age out of the stream is sent again, for as long as it is open.
- Each downstream has a durable consumer, made here and never by the downstream: it is allowed nothing else.
"""

import asyncio
from collections.abc import Callable

from consentledger.bus.connection import Bus
from consentledger.bus.consumer import ensure_consumer
from consentledger.bus.errors import BusError, StreamMissing
from consentledger.bus.streams import StreamSpec, acks_stream, enforce_stream, ensure_log_stream, ensure_stream
from consentledger.client.subjects import consumer_name, enforce_filter
from consentledger.journal import Journal
from consentledger.store.ledger import Store, StoreUnavailable
from services.notifier.projection import carry, read

ACKS_CONSUMER = "notifier"
ENFORCE_ACK_WAIT_S = 10.0
"""After this a message that a downstream was handed and says nothing about comes again; it may ask for more time."""
_ACKS_ACK_WAIT_S = 5.0
_FIRST_RETRY_S, _LAST_RETRY_S = 0.1, 5.0


async def rebuild_enforce(store: Store, bus: Bus, spec: StreamSpec) -> int:
    """Make the absent stream ENFORCE anew, with everything still open in it, and its consumers. How many that is.

    In this order, so that a crash in between leaves it absent, and repeating does it again: first every open
    obligation is given a new number, then the stream is made to begin at the first of them.
    """
    last, newest = await carry.redispatch(store)
    await ensure_log_stream(bus, spec, published=last, rebuild=True)
    await ensure_consumers(store, bus)
    return newest - last


async def ensure_consumers(store: Store, bus: Bus) -> None:
    """Make the consumers that are missing; each begins with the oldest message that still asks something."""
    end = await carry.last_dispatch(store) + 1
    for tenant, downstream, oldest in await read.all_downstreams(store):
        await ensure_consumer(
            bus,
            "ENFORCE",
            consumer_name(tenant, downstream),
            filter=enforce_filter(tenant, downstream),
            start_sequence=oldest if oldest is not None else end,
            ack_wait=ENFORCE_ACK_WAIT_S,
        )


class Keeper:
    """Looks after them, every `every` seconds and when woken; calls `sent_again` when it added messages."""

    def __init__(
        self,
        bus: Bus,
        store: Store,
        *,
        rebuild: bool,
        every: float,
        max_bytes: int,
        replicas: int,
        sent_again: Callable[[], None],
        journal: Journal,
    ) -> None:
        self._bus = bus
        self._store = store
        self._rebuild = rebuild
        self._every = every
        self._enforce = enforce_stream(max_bytes=max_bytes, replicas=replicas)
        self._acks = acks_stream(max_bytes=max_bytes, replicas=replicas)
        self._sent_again = sent_again
        self._journal = journal
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.alarm = ""
        """Why the streams are not as they must be: the name of an exception, or empty."""
        self.rounds = 0
        """How often everything was found or put in order."""

    def wake(self) -> None:
        """Look now: a downstream was registered, or a stream is said to be absent."""
        self._woken.set()

    async def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run(), name="keeper")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def ensure_acks(self) -> None:
        """Make the consumer of what downstreams answer."""
        await ensure_consumer(self._bus, "ACKS", ACKS_CONSUMER, ack_wait=_ACKS_ACK_WAIT_S)

    async def _run(self) -> None:
        delay = _FIRST_RETRY_S
        while True:
            self._woken.clear()
            try:
                await self._bus.wait_connected(60)
                await self._round()
            except (BusError, StoreUnavailable) as failure:
                self._tell(type(failure).__name__)
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LAST_RETRY_S)
                continue
            self._tell("")
            self.rounds += 1
            delay = _FIRST_RETRY_S
            try:
                async with asyncio.timeout(self._every):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _round(self) -> None:
        await ensure_stream(self._bus, self._acks)
        sent = (await carry.progress(self._store)).sent
        try:
            state = await ensure_log_stream(self._bus, self._enforce, published=sent)
        except StreamMissing:
            if not self._rebuild:
                raise
            again = await rebuild_enforce(self._store, self._bus, self._enforce)
            self._journal.warning("notifier.enforce_rebuilt", count=again)
            self._sent_again()
            return
        await ensure_consumers(self._store, self._bus)
        begins = state.first if state.messages else state.last + 1
        if await carry.any_open_below(self._store, begins):
            last, newest = await carry.redispatch(self._store, begins)
            if newest > last:
                self._journal.warning("notifier.sent_again", count=newest - last)
                self._sent_again()

    def _tell(self, alarm: str) -> None:
        if alarm != self.alarm:
            self.alarm = alarm
            if alarm:
                self._journal.error("notifier.streams", exception=alarm)
            else:
                self._journal.info("notifier.streams")
