"""The aggregates that commands decide against, kept while they are used. No I/O.

- Only the committer uses it, inside its transaction: it may hold what is not committed yet, so reads never look here.
- What is least lately used is dropped; it comes back from the event store.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from consentledger.store.ledger import Entry
from services.notifier import codec
from services.notifier.domain.downstream import Downstreams, downstreams_stream
from services.notifier.domain.obligation import Obligation

Kept: TypeAlias = Downstreams | Obligation


class Aggregates:
    """Aggregates by stream UUID."""

    def __init__(self, limit: int = 20_000) -> None:
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._limit = limit

    def downstreams(self, tenant: str) -> Downstreams | None:
        """The tenant's downstreams, if it has any."""
        found = self._kept.get(downstreams_stream(tenant).bytes)
        return found if isinstance(found, Downstreams) else None

    def obligation(self, stream: bytes) -> Obligation | None:
        """The obligation, if it was made."""
        found = self._kept.get(stream)
        return found if isinstance(found, Obligation) else None

    def put(self, aggregate: Kept) -> None:
        """Keep a new aggregate."""
        self._kept[aggregate.id.bytes] = aggregate

    def known(self, streams: Iterable[bytes]) -> list[tuple[bytes, int]]:
        """How far each is known; asking also counts as use."""
        found = []
        for stream in streams:
            aggregate = self._kept.get(stream)
            if aggregate is not None:
                self._kept.move_to_end(stream)
            found.append((stream, aggregate.version if aggregate is not None else 0))
        return found

    def absorb(self, entries: Sequence[Entry]) -> None:
        """Fold entries onto what is kept. Room is made before, so that nothing just loaded is dropped."""
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)
        for entry in entries:
            aggregate = codec.load(entry).mutate(self._kept.get(entry.stream))
            self._kept[entry.stream] = aggregate

    def forget(self, streams: Iterable[bytes]) -> None:
        """Drop what may not be what is stored."""
        for stream in streams:
            self._kept.pop(stream, None)
