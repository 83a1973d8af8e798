"""The consent service's aggregates in memory: persons and catalogues."""

from typing import TypeAlias

from consentledger.store.aggregates import AggregateMemory
from services.consent.decoding import load
from services.consent.domain.catalogue import Catalogue
from services.consent.domain.person import Person

Kept: TypeAlias = Person | Catalogue


class Aggregates(AggregateMemory):
    """Persons and catalogues by stream UUID."""

    def __init__(self, limit: int = 20_000) -> None:
        super().__init__(load, limit)

    def person(self, stream: bytes) -> Person | None:
        """The person, if any event is known."""
        found = self.get(stream)
        return found if isinstance(found, Person) else None

    def catalogue(self, stream: bytes) -> Catalogue | None:
        """The tenant's catalogue, if the tenant exists."""
        found = self.get(stream)
        return found if isinstance(found, Catalogue) else None
