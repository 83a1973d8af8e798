"""Takes one downstream's messages from its consumer, as the downstream itself would, and delivers them.

- A few at a time, those about one person one after another. So a receiver that is slow or dead slows its own alone.
- A message is done with once what became of it is recorded; whatever fails on our side comes again.
- Replicas share a consumer; which message went to whom does not matter, see `delivery`.
"""

import asyncio
from collections import defaultdict

from consentledger.bus.connection import Bus
from consentledger.bus.consumer import PullLoop
from consentledger.bus.message import Message
from consentledger.client.obligation import Obligation
from consentledger.client.subjects import consumer_name
from consentledger.journal import Journal
from consentledger.store.ledger import Store
from services.notifier.domain.downstream import WebhookDef
from services.notifier.projection import read
from services.notifier.webhooks.delivery import Deliveries, Endpoint

_BATCH = 64
_STILL_AT_IT_S = 3.0
_SOON_S = 0.2
_LATER_S = 2.0


class Courier:
    """One downstream's; `at_once` is how many requests it may have under way."""

    def __init__(
        self,
        bus: Bus,
        store: Store,
        deliveries: Deliveries,
        tenant: str,
        downstream: str,
        *,
        at_once: int,
        journal: Journal,
    ) -> None:
        self._store = store
        self._deliveries = deliveries
        self._room = asyncio.Semaphore(at_once)
        self._journal = journal
        self._loop = PullLoop(bus, "ENFORCE", consumer_name(tenant, downstream), self._handle, batch=_BATCH)
        self.endpoint = Endpoint(tenant, downstream, WebhookDef(""))

    async def start(self) -> None:
        """Begin, in the background."""
        await self._loop.start()

    async def stop(self) -> None:
        """End at once; an attempt under way is cut, and made again."""
        await self._loop.stop()

    async def _handle(self, messages: list[Message]) -> None:
        # Read each time: another replica may have changed the URL or the secret.
        found = await read.downstream(self._store, self.endpoint.tenant, self.endpoint.downstream)
        if found is None or found.webhook is None or found.paused:
            for message in messages:
                await message.nak(_LATER_S)
            return
        self.endpoint.webhook = found.webhook
        persons: dict[str, list[Message]] = defaultdict(list)
        for message in messages:
            persons[message.subject].append(message)
        beat = asyncio.create_task(_still_at_it(messages))
        try:
            await asyncio.gather(*(self._in_order(of_one) for of_one in persons.values()))
        finally:
            beat.cancel()

    async def _in_order(self, messages: list[Message]) -> None:
        delay = _SOON_S
        for at, message in enumerate(messages):
            try:
                async with self._room:
                    done = await self._deliveries.bring(self.endpoint, Obligation.read(message.payload))
            except Exception as failure:
                self._journal.warning("notifier.webhook_not_recorded", exception=type(failure).__name__)
                done, delay = False, _LATER_S
            if not done:
                for left in messages[at:]:
                    await left.nak(delay)
                return
            await message.ack()


async def _still_at_it(messages: list[Message]) -> None:
    """Tell the server every few seconds that what is not settled is being worked on."""
    while True:
        await asyncio.sleep(_STILL_AT_IT_S)
        for message in messages:
            if not message.settled:
                await message.in_progress()
