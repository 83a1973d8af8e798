"""A log as the publisher sees it: each entry one CloudEvent, its leaf the body, its position the sequence.

Bodies carry the leaf and never the ciphertext: nothing in the stream would have to be removed by erasure.
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice

from consentledger.bus.cloudevents import ledger_event_headers
from consentledger.bus.publication import Outgoing
from consentledger.bus.streams import ledger_subject
from consentledger.store.ledger import Entry, Store

AT_HAND = 1_024
"""How many of the newest entries are kept so that they need not be read again."""


class LedgerSource:
    """The entries of one service's log, to be published. What was just committed here is at hand; the rest is read."""

    def __init__(self, store: Store, service: str) -> None:
        self._store = store
        self._service = service
        self._newest: deque[Entry] = deque(maxlen=AT_HAND)

    def offer(self, entries: Sequence[Entry]) -> None:
        """Take entries that were committed just now. A gap, made by another replica, lets go of what was before."""
        if entries and self._newest and entries[0].position != self._newest[-1].position + 1:
            self._newest.clear()
        self._newest.extend(entries)

    async def after(self, position: int, limit: int) -> Sequence[Outgoing]:
        """The messages behind `position`, gapless."""
        return [
            Outgoing(
                e.position,
                ledger_subject(self._service, e.tenant, e.type),
                ledger_event_headers(self._service, e.tenant, e.type, e.position, e.recorded_us),
                e.leaf,
            )
            for e in self._at_hand(position, limit) or await self._store.entries(position, limit)
        ]

    def _at_hand(self, position: int, limit: int) -> list[Entry]:
        """What follows `position`, if it is all at hand."""
        if not self._newest or not self._newest[0].position <= position + 1 <= self._newest[-1].position:
            return []
        start = position + 1 - self._newest[0].position
        return list(islice(self._newest, start, start + limit))
