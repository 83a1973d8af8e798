"""A log as the publisher sees it: each entry one CloudEvent, its leaf the body, its position the sequence.

Bodies carry the leaf and never the ciphertext: nothing in the stream would have to be removed by erasure.
"""

from collections.abc import Sequence

from consentledger.bus.cloudevents import ledger_event_headers
from consentledger.bus.publication import Outgoing
from consentledger.bus.streams import ledger_subject
from consentledger.store.ledger import Store


class LedgerSource:
    """The entries of one service's log, to be published."""

    def __init__(self, store: Store, service: str) -> None:
        self._store = store
        self._service = service

    async def after(self, position: int, limit: int) -> Sequence[Outgoing]:
        """The messages behind `position`, gapless."""
        return [
            Outgoing(
                e.position,
                ledger_subject(self._service, e.tenant, e.type),
                ledger_event_headers(self._service, e.tenant, e.type, e.position, e.recorded_us),
                e.leaf,
            )
            for e in await self._store.entries(position, limit)
        ]
