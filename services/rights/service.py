"""The rights service put together. It owns a log and carries it; it has no rpcs yet."""

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import ServiceDescriptor

from consentledger import journal
from consentledger.bus.carrier import Carrier
from consentledger.bus.connection import Bus
from consentledger.bus.outbox import LedgerSource
from consentledger.bus.streams import ledger_stream
from consentledger.store.schema import Migration
from consentledger.store.signedlog import SignedLog

SERVICE = "rights"
MIGRATIONS: tuple[Migration, ...] = ()


@dataclass(frozen=True, slots=True)
class RightsConfig:
    """What can be set."""

    rebuild_stream: bool = False
    """Make an absent stream anew at start (the embedded default)."""


@dataclass(frozen=True, slots=True)
class RightsService:
    """The running parts."""

    carrier: Carrier
    servicers: Sequence[tuple[ServiceDescriptor, object]] = ()

    async def start(self) -> None:
        """Begin."""
        self.carrier.start()

    async def close(self) -> None:
        """Stop."""
        await self.carrier.close()


def build(config: RightsConfig, log: SignedLog, bus: Bus) -> RightsService:
    """Put it together; nothing runs before `start`."""
    store = log.store
    source = LedgerSource(store, SERVICE)
    spec = ledger_stream(SERVICE)
    outbox = Carrier(bus, spec, store, source, rebuild=config.rebuild_stream, journal=journal.get("outbox"))
    return RightsService(outbox)
