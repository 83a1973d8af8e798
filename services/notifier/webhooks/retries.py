"""Sends again what is due, on any replica: under the log head's lock, so that of several one does it."""

import asyncio
from collections.abc import Callable

from consentledger.journal import Journal
from consentledger.store.ledger import Store, StoreUnavailable
from services.notifier.projection import attempts


class Retries:
    """Looks when woken, when something is due, and every `every` seconds; calls `sent_again` when it numbered any."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        *,
        every: float,
        sent_again: Callable[[], None],
        journal: Journal,
    ) -> None:
        self._store = store
        self._clock = clock
        self._every = every
        self._sent_again = sent_again
        self._journal = journal
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Something waits that did not before."""
        self._woken.set()

    async def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run(), name="webhook-retries")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                wait = await self._round()
            except StoreUnavailable as failure:
                self._journal.warning("notifier.webhook_retries_failed", exception=type(failure).__name__)
                wait = self._every
            try:
                async with asyncio.timeout(wait):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _round(self) -> float:
        """Send what is due; the seconds until the next look."""
        now_us = self._clock()
        due_us = await attempts.next_due(self._store)
        if due_us is not None and due_us <= now_us:
            if await attempts.send_due(self._store, now_us):
                self._sent_again()
            due_us = await attempts.next_due(self._store)
        return self._every if due_us is None else min(self._every, max(0.0, (due_us - now_us) / 1_000_000))
