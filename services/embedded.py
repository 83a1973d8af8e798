"""One process of the product: opens what it needs, builds the services asked for, serves them, drains.

The only module that imports all three services. The wire between them is real also in one process: they meet through
generated stubs on the listening port and through NATS.
"""

import asyncio
import contextlib
import gc
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from consentledger import journal
from consentledger.bus.connection import Bus, connect
from consentledger.bus.embedded import EmbeddedNats
from consentledger.crypto.keyring import FileKeyring
from consentledger.rpc import channel
from consentledger.rpc.guard import Guard
from consentledger.rpc.server import Server
from consentledger.settings import ServiceSettings
from consentledger.store.keystore import KeyStore
from consentledger.store.ledger import Store, StoreUnavailable
from consentledger.store.open import open_keystore, open_store
from services.consent import service as consent
from services.consent.projection.tables import MIGRATIONS as CONSENT_MIGRATIONS
from services.notifier import service as notifier
from services.notifier.projection.tables import MIGRATIONS as NOTIFIER_MIGRATIONS
from services.rights import service as rights

ALL = ("consent", "notifier", "rights")
MIGRATIONS = {"consent": CONSENT_MIGRATIONS, "notifier": NOTIFIER_MIGRATIONS, "rights": rights.MIGRATIONS}
GRACE_SECONDS = 20.0
_log = journal.get("process")


class CannotListen(Exception):
    """The address cannot be bound."""


@dataclass(frozen=True, slots=True)
class Process:
    """A running process."""

    port: int
    nats: EmbeddedNats | None


def _folder(settings: ServiceSettings) -> Path:
    return Path(settings.data).absolute()


def clock() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def store_url(settings: ServiceSettings, service: str) -> str:
    """Where a service's log is."""
    return settings.store or f"sqlite:///{_folder(settings) / service}.db"


def keys_url(settings: ServiceSettings) -> str:
    """Where the key store is."""
    return settings.keys or f"sqlite:///{_folder(settings) / 'keys'}.db"


def require_shared(settings: ServiceSettings) -> None:
    """Replicas share one store; so they must share the key store and the keyring, and not each make their own."""
    if settings.store and not (settings.keys and settings.keyring):
        raise StoreUnavailable("with --store, name the key store and the keyring too (--keys, --keyring)")


def keyring(settings: ServiceSettings) -> FileKeyring:
    """The keyring; made when there is none in embedded mode, never otherwise."""
    path = Path(settings.keyring) if settings.keyring else _folder(settings) / "keyring.json"
    return FileKeyring.open(path) if settings.keyring else FileKeyring.open_or_create(path)


@contextlib.asynccontextmanager
async def nats(settings: ServiceSettings, provider: FileKeyring) -> AsyncIterator[tuple[EmbeddedNats | None, Bus]]:
    """(the child if it is ours, a connection)."""
    if settings.nats:
        bus = await connect(
            settings.nats, "consent-ledger", credentials=settings.nats_credentials or None, timeout=None
        )
        try:
            yield None, bus
        finally:
            await bus.close()
        return
    child = EmbeddedNats(
        _folder(settings) / "nats",
        provider.derive("nats.jetstream", 32),
        binary=Path(settings.nats_server) if settings.nats_server else None,
        on_event=lambda event: _log.info("nats", status=event),
    )
    async with child:
        _write_login(_folder(settings) / "nats.json", child)
        bus = await connect(child.url, "consent-ledger", user=child.user, password=child.password)
        try:
            yield child, bus
        finally:
            await bus.close()


def _write_login(path: Path, child: EmbeddedNats) -> None:
    """How to reach the embedded server, for downstreams on this machine: new credentials at each start."""
    login = {"url": child.url, "user": child.user, "password": child.password}
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(login, file)


@contextlib.asynccontextmanager
async def running(settings: ServiceSettings, names: Sequence[str] = ALL) -> AsyncIterator[Process]:
    """Run services until the block ends; then drain: readiness off, calls end, outbox flushed, child stopped."""
    require_shared(settings)
    _folder(settings).mkdir(parents=True, exist_ok=True, mode=0o700)
    provider = keyring(settings)
    async with contextlib.AsyncExitStack() as stack:
        child, bus = await stack.enter_async_context(nats(settings, provider))
        server = Server(Guard())
        try:
            port = server.bind(settings.listen)
        except RuntimeError:
            raise CannotListen(f"{settings.listen} cannot be bound; another process may have it") from None
        target = settings.listen if settings.listen.startswith("unix:") else f"{_host(settings.listen)}:{port}"
        consent_channel = channel.connect(settings.consent or target)
        stack.push_async_callback(consent_channel.close)
        parts: list[consent.ConsentService | notifier.NotifierService | rights.RightsService] = []
        for name in names:
            store = await open_store(store_url(settings, name), name, MIGRATIONS[name])
            stack.push_async_callback(store.close)
            if name == "consent":
                keystore = await open_keystore(keys_url(settings))
                stack.push_async_callback(keystore.close)
                parts.append(await _consent(settings, store, keystore, bus, provider))
            elif name == "notifier":
                config = notifier.NotifierConfig(
                    rebuild_streams=child is not None,
                    stream_max_bytes=settings.stream_max_bytes,
                    stream_replicas=settings.stream_replicas,
                )
                parts.append(await notifier.build(config, store, bus, consent_channel, provider, clock))
            else:
                config_of_rights = rights.RightsConfig(rebuild_stream=child is not None)
                parts.append(rights.build(config_of_rights, store, bus))
        for part in parts:
            for descriptor, servicer in part.servicers:
                server.add(descriptor, servicer)
        await server.start()
        for part in parts:
            await part.start()
        await server.health.set_ready(True)
        _spare_the_collector()
        _log.info("ready", port=port)
        try:
            yield Process(port, child)
        finally:
            await server.drain(GRACE_SECONDS)
            closed = await asyncio.gather(*(part.close() for part in reversed(parts)), return_exceptions=True)
            for failure in closed:
                if isinstance(failure, BaseException):
                    _log.error("not stopped cleanly", exception=type(failure).__name__)
            _log.info("stopped")


def _spare_the_collector() -> None:
    """Leave what start-up made, and will stay, out of garbage collection, and collect the rest in larger lots.

    The services make few cycles and keep many objects: with Python's defaults a full collection stops the event loop
    for tens of milliseconds, several times a second under load.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


async def _consent(
    settings: ServiceSettings, store: Store, keystore: KeyStore, bus: Bus, provider: FileKeyring
) -> consent.ConsentService:
    config = consent.ConsentConfig(
        staleness_seconds=settings.staleness_ms / 1000,
        index_memory=settings.index_memory,
        rebuild_stream=not settings.nats,
        stream_max_bytes=settings.stream_max_bytes,
        stream_replicas=settings.stream_replicas,
        first_tenant="default" if not settings.store else "",
    )
    return await consent.build(config, store, keystore, bus, provider, clock)


def _host(listen: str) -> str:
    return listen.rpartition(":")[0]


async def serve(
    settings: ServiceSettings, names: Sequence[str], hints: Callable[[Process], None] | None = None
) -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings, names) as process:
        if hints is not None:
            hints(process)
        await stop.wait()
