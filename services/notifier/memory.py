"""The notifier's aggregates in memory: the downstreams of each tenant, and obligations."""

from typing import TypeAlias

from consentledger.store.aggregates import AggregateMemory
from services.notifier import codec
from services.notifier.domain.downstream import Downstreams, downstreams_stream
from services.notifier.domain.obligation import Obligation

Kept: TypeAlias = Downstreams | Obligation


class Aggregates(AggregateMemory):
    """Downstreams and obligations by stream UUID."""

    def __init__(self, limit: int = 20_000) -> None:
        super().__init__(codec.load, limit)

    def downstreams(self, tenant: str) -> Downstreams | None:
        """The tenant's downstreams, if it has any."""
        found = self.get(downstreams_stream(tenant).bytes)
        return found if isinstance(found, Downstreams) else None

    def obligation(self, stream: bytes) -> Obligation | None:
        """The obligation, if it was made."""
        found = self.get(stream)
        return found if isinstance(found, Obligation) else None
