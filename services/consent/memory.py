"""The aggregates that commands decide against, kept while they are used. No I/O.

- Only the committer uses it, inside its transaction: it may hold what is not committed yet, so reads never look here.
- What is least lately used is dropped; it comes back from the event store.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from consentledger.store.ledger import Entry
from services.consent.decoding import load
from services.consent.domain.catalogue import Catalogue
from services.consent.domain.person import Person

Kept: TypeAlias = Person | Catalogue


class Aggregates:
    """Aggregates by stream UUID."""

    def __init__(self, limit: int = 20_000) -> None:
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._limit = limit

    def person(self, stream: bytes) -> Person | None:
        """The person, if any event is known."""
        found = self._kept.get(stream)
        return found if isinstance(found, Person) else None

    def catalogue(self, stream: bytes) -> Catalogue | None:
        """The tenant's catalogue, if the tenant exists."""
        found = self._kept.get(stream)
        return found if isinstance(found, Catalogue) else None

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
            aggregate = load(entry).mutate(self._kept.get(entry.stream))
            self._kept[entry.stream] = aggregate

    def forget(self, streams: Iterable[bytes]) -> None:
        """Drop what may not be what is stored."""
        for stream in streams:
            self._kept.pop(stream, None)
