"""The aggregates that commands decide against, kept while they are used. No I/O, and no kind of aggregate known.

- Only the committer uses it, inside its transaction: it may hold what is not committed yet, so reads never look here.
- What is least lately used is dropped; it comes back from the event store.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from consentledger.store.ledger import Entry


class AggregateMemory:
    """Aggregates by stream UUID. `load` makes the domain event of an entry, whose `mutate` folds it."""

    def __init__(self, load: Callable[[Entry], Any], limit: int = 20_000) -> None:
        self._kept: OrderedDict[bytes, Any] = OrderedDict()
        self._load = load
        self._limit = limit

    def get(self, stream: bytes) -> Any:
        """The aggregate, or None if no event is known."""
        return self._kept.get(stream)

    def put(self, aggregate: Any) -> None:
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
            self._kept[entry.stream] = self._load(entry).mutate(self._kept.get(entry.stream))

    def forget(self, streams: Iterable[bytes]) -> None:
        """Drop what may not be what is stored."""
        for stream in streams:
            self._kept.pop(stream, None)
