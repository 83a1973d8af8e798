"""Streams that carry what a log no longer holds, made anew. They store nothing that the logs do not.

An embedded nats-server is stopped while this runs, and its owner makes every stream that is absent: so its folder is
removed. A server that was named is asked to.
"""

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from consentledger.bus.connection import Bus, connect
from consentledger.bus.errors import BusError
from consentledger.bus.streams import drop_stream, enforce_stream, ensure_log_stream, ledger_stream
from consentledger.settings import ServiceSettings
from consentledger.store.ledger import Store
from consentledger.store.mark import read_mark
from services.notifier.keeper import rebuild_enforce


class Carriers:
    """See the module."""

    def __init__(self, settings: ServiceSettings, bus: Bus | None) -> None:
        self._settings = settings
        self._bus = bus

    async def renew_log(self, service: str, store: Store) -> None:
        """The stream of a log whose newest positions will be others."""
        if self._bus is None:
            forget_embedded(self._settings)
            return
        spec = ledger_stream(
            service, max_bytes=self._settings.stream_max_bytes, replicas=self._settings.stream_replicas
        )
        await drop_stream(self._bus, spec.name)
        await ensure_log_stream(self._bus, spec, published=await read_mark(store), rebuild=True)

    async def renew_enforce(self, notifier: Store) -> None:
        """ENFORCE, after the notifier's numbers went back: everything that is not settled is sent again."""
        if self._bus is None:
            forget_embedded(self._settings)
            return
        spec = enforce_stream(max_bytes=self._settings.stream_max_bytes, replicas=self._settings.stream_replicas)
        await drop_stream(self._bus, spec.name)
        await rebuild_enforce(notifier, self._bus, spec)


def forget_embedded(settings: ServiceSettings) -> None:
    """Remove the streams of the embedded server, which must be stopped."""
    shutil.rmtree(Path(settings.data) / "nats", ignore_errors=True)


@contextlib.asynccontextmanager
async def carriers(settings: ServiceSettings) -> AsyncIterator[Carriers]:
    """BusError when the logs are shared and no NATS is named."""
    if not settings.nats:
        if settings.store:
            raise BusError("name the NATS server (--nats): its streams carry what the log no longer holds")
        yield Carriers(settings, None)
        return
    bus = await connect(settings.nats, "consentledger", credentials=settings.nats_credentials or None)
    try:
        yield Carriers(settings, bus)
    finally:
        await bus.close()
