"""One service's outbox as it runs: makes sure of the stream, publishes the log, remembers how far.

- It never holds up a write: without NATS the log grows and is carried later, from its own position, by the same code.
- A stream that was there and is gone halts it, unless `rebuild`: then the stream is made anew at the marked position.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from consentledger.bus.connection import Bus
from consentledger.bus.errors import BusError, StreamMisconfigured, StreamMissing
from consentledger.bus.outbox import LedgerSource
from consentledger.bus.publisher import LogPublisher, PublisherState
from consentledger.bus.streams import StreamSpec, ensure_log_stream
from consentledger.journal import Journal
from consentledger.store.ledger import Entry, Store, StoreUnavailable
from consentledger.store.mark import read_mark, write_mark

RETRY_SECONDS = 0.25
MARK_SECONDS = 2.0


class Carrier:
    """Carries one log."""

    def __init__(
        self,
        bus: Bus,
        spec: StreamSpec,
        store: Store,
        source: LedgerSource,
        *,
        rebuild: bool,
        journal: Journal,
    ) -> None:
        self._bus = bus
        self._spec = spec
        self._store = store
        self._source = source
        self._rebuild = rebuild
        self._journal = journal
        self._publisher: LogPublisher | None = None
        self._task: asyncio.Task[None] | None = None

    def _on_state(self, state: PublisherState) -> None:
        tell = self._journal.error if state.alarming else self._journal.info
        tell("outbox", status=state.value)

    @property
    def published(self) -> int:
        """The last position known to be in the stream; 0 while the stream was not reached."""
        return self._publisher.published if self._publisher is not None else 0

    @property
    def state(self) -> PublisherState:
        """What it is doing."""
        return self._publisher.state if self._publisher is not None else PublisherState.STARTING

    def start(self) -> None:
        """Begin, whether NATS is there or not."""
        self._task = asyncio.create_task(self._run(), name="carrier")

    def wake(self, entries: Sequence[Entry] = ()) -> None:
        """Something was committed: these entries, as far as they are at hand."""
        self._source.offer(entries)
        if self._publisher is not None:
            self._publisher.wake()

    async def flush(self, position: int, seconds: float) -> bool:
        """Wait until everything up to `position` is in the stream; False if it is not in time."""
        if self._publisher is None:
            return False
        try:
            await self._publisher.flush(position, seconds)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Stop, and write the mark."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._publisher is not None:
            await self._publisher.stop()
            with contextlib.suppress(StoreUnavailable):
                await write_mark(self._store, self._publisher.published)

    async def _run(self) -> None:
        marked = await self._ensure()
        publisher = LogPublisher(self._bus, self._spec.name, self._source, published=marked, on_state=self._on_state)
        self._publisher = publisher
        await publisher.start()
        publisher.wake()
        while True:
            await asyncio.sleep(MARK_SECONDS)
            if self._rebuild and publisher.state is PublisherState.STREAM_ABSENT:
                with contextlib.suppress(BusError):
                    await ensure_log_stream(self._bus, self._spec, published=publisher.published, rebuild=True)
                    publisher.wake()
            if publisher.published > marked:
                with contextlib.suppress(StoreUnavailable):
                    await write_mark(self._store, publisher.published)
                    marked = publisher.published

    async def _ensure(self) -> int:
        told = False
        while True:
            try:
                marked = await read_mark(self._store)
                await ensure_log_stream(self._bus, self._spec, published=marked, rebuild=self._rebuild)
                return marked
            except StreamMissing:
                if not told:
                    self._on_state(PublisherState.STREAM_ABSENT)
                told = True
            except StreamMisconfigured:
                if not told:
                    self._on_state(PublisherState.REJECTED)
                told = True
            except (BusError, StoreUnavailable):
                pass
            await asyncio.sleep(RETRY_SECONDS)
