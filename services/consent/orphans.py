"""Persons who never got an event are removed after an hour: their identifier is kept for nothing.

- Made by a refused request, or by a crash between the key store and the commit.
- A person is looked at only when they are an hour old. `directory` touches older ones before it uses them, so the first
  event of a person is never under way while they are removed; the key store looks at the age again as it removes.
- At start the last two days are looked at, later what has become an hour old since.
"""

import asyncio
from collections.abc import Callable

from consentledger import journal
from consentledger.store.keystore import KeyStore
from consentledger.store.ledger import Store
from services.consent.directory import SWEPT_AFTER_US
from services.consent.projection.lookups import with_events

PAGE = 500
EVERY_SECONDS = 600.0
AT_START_US = 48 * 3_600_000_000
_log = journal.get("orphans")


class Orphans:
    """Looks for them."""

    def __init__(self, store: Store, keystore: KeyStore, clock: Callable[[], int]) -> None:
        self._store = store
        self._keystore = keystore
        self._clock = clock
        self._seen_us = clock() - AT_START_US
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to sweep."""
        self._task = asyncio.create_task(self._run(), name="orphans")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self) -> int:
        """Remove those that are due; how many they were."""
        before_us, after_us, removed = self._clock() - SWEPT_AFTER_US, self._seen_us, 0
        while True:
            page = await self._keystore.orphans(before_us, PAGE, after_us=after_us)
            lone = {p.person for p in page} - await with_events(self._store, [p.person for p in page])
            if lone:
                await self._keystore.remove(sorted(lone), before_us=before_us)
                removed += len(lone)
            if len(page) < PAGE:
                break
            after_us = max(page[-1].created_us, after_us + 1)
        self._seen_us = before_us
        return removed

    async def _run(self) -> None:
        while True:
            try:
                if removed := await self.sweep():
                    _log.info("removed", count=removed)
            except Exception as error:  # whatever it is: the next round must come
                _log.error("sweep failed", exception=type(error).__name__)
            await asyncio.sleep(EVERY_SECONDS)
