"""One courier for each downstream that has a webhook and is not paused.

A downstream changed here is noticed at once, one changed by another replica within `every` seconds.
"""

import asyncio
from collections.abc import Callable

from consentledger.journal import Journal
from consentledger.store.ledger import Store, StoreUnavailable
from services.notifier.projection import read
from services.notifier.webhooks.courier import Courier


class Couriers:
    """`courier` makes the one of (tenant, downstream)."""

    def __init__(
        self,
        store: Store,
        courier: Callable[[str, str], Courier],
        *,
        every: float,
        journal: Journal,
    ) -> None:
        self._store = store
        self._courier = courier
        self._every = every
        self._journal = journal
        self._running: dict[tuple[str, str], Courier] = {}
        self._disabled = 0
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def alarm(self) -> str:
        """`disabled` while a receiver wants nothing more, `refused` while a URL leads where we may not go; or empty."""
        if self._disabled:
            return "disabled"
        return "refused" if any(courier.endpoint.refused for courier in self._running.values()) else ""

    def wake(self) -> None:
        """A downstream has changed."""
        self._woken.set()

    async def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run(), name="couriers")

    async def stop(self) -> None:
        """End at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._stop(set(self._running))

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self._round()
            except StoreUnavailable as failure:
                self._journal.warning("notifier.webhooks_unknown", exception=type(failure).__name__)
            try:
                async with asyncio.timeout(self._every):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _round(self) -> None:
        found = await read.webhooks(self._store)
        disabled = sum(d.webhook is not None and d.webhook.disabled for _, d in found)
        if disabled > self._disabled:
            self._journal.error("notifier.webhook_disabled", count=disabled)
        self._disabled = disabled
        wanted = {(tenant, downstream.id) for tenant, downstream in found if not downstream.paused}
        await self._stop(self._running.keys() - wanted)
        for tenant, id in wanted - self._running.keys():
            courier = self._running[tenant, id] = self._courier(tenant, id)
            await courier.start()

    async def _stop(self, ended: set[tuple[str, str]]) -> None:
        await asyncio.gather(*(self._running.pop(key).stop() for key in ended))
