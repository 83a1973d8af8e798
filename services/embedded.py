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
from consentledger.crypto.sealing import sealer_named
from consentledger.rpc import channel
from consentledger.rpc.guard import Guard
from consentledger.rpc.server import Server
from consentledger.settings import ServiceSettings, vault_settings
from consentledger.store.binding import bind
from consentledger.store.keystore import KeyStore
from consentledger.store.ledger import StoreUnavailable
from consentledger.store.open import open_guard, open_keystore, open_store
from consentledger.store.signedlog import SignedLog
from services.audit import service as audit
from services.audit.logs import Persons
from services.audit.scrub import Scrub
from services.consent import service as consent
from services.consent.projection.tables import MIGRATIONS as CONSENT_MIGRATIONS
from services.consent.recipients import Recipients
from services.notifier import service as notifier
from services.notifier.projection.tables import MIGRATIONS as NOTIFIER_MIGRATIONS
from services.notifier.webhooks.running import configured as webhooks
from services.rights import service as rights

ALL = ("consent", "notifier", "rights")
MIGRATIONS = {"consent": CONSENT_MIGRATIONS, "notifier": NOTIFIER_MIGRATIONS, "rights": rights.MIGRATIONS}
GRACE_SECONDS = 20.0
_Part = consent.ConsentService | notifier.NotifierService | rights.RightsService | audit.AuditService | Scrub
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


def guard_url(settings: ServiceSettings) -> str:
    """Where the checkpoint guard is."""
    return settings.guard or f"file://{_folder(settings) / 'guard'}"


def require_shared(settings: ServiceSettings) -> None:
    """Replicas share one store; so they must share the key store and the keyring, and not each make their own."""
    if settings.store and not (settings.keys and settings.keyring and settings.guard):
        raise StoreUnavailable("with --store, name key store, keyring and guard too (--keys, --keyring, --guard)")


def keyring_path(settings: ServiceSettings) -> Path:
    """Where the keyring is."""
    return Path(settings.keyring) if settings.keyring else _folder(settings) / "keyring.json"


def keyring(settings: ServiceSettings) -> FileKeyring:
    """The keyring; made when there is none in embedded mode, never otherwise."""
    sealer = sealer_named(settings.keyring_sealer, vault_settings())
    make = FileKeyring.open if settings.keyring else FileKeyring.open_or_create
    return make(keyring_path(settings), sealer)


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
        notifier_channel = channel.connect(settings.notifier or target)
        stack.push_async_callback(notifier_channel.close)
        parts: list[_Part] = []
        logs: dict[str, SignedLog] = {}
        persons: Persons | None = None
        for name in names:
            store = await open_store(store_url(settings, name), name, MIGRATIONS[name])
            stack.push_async_callback(store.close)
            if name == "consent":
                keystore = await open_keystore(keys_url(settings))
                stack.push_async_callback(keystore.close)
                await bind(store, keystore, provider)
            guard = await open_guard(guard_url(settings))
            stack.push_async_callback(guard.close)
            log = await SignedLog.open(store, name, provider, guard, settings.log_name)
            stack.push_async_callback(log.close)
            logs[name] = log
            if name == "consent":
                service = await _consent(settings, log, keystore, bus, provider, consent.recipients(notifier_channel))
                parts.append(service)
                persons = service.persons
            elif name == "notifier":
                config = notifier.NotifierConfig(
                    rebuild_streams=child is not None,
                    stream_max_bytes=settings.stream_max_bytes,
                    stream_replicas=settings.stream_replicas,
                    webhooks=webhooks(
                        settings.webhook_networks, settings.webhook_plain_hosts, settings.webhook_ca_file
                    ),
                )
                parts.append(await notifier.build(config, log, bus, consent_channel, provider, clock))
            else:
                config_of_rights = rights.RightsConfig(rebuild_stream=child is not None)
                parts.append(rights.build(config_of_rights, log, bus))
        parts.append(_audit(settings, logs, persons))
        parts.append(Scrub(logs, settings.scrub_events_per_second, server.health.set_intact))
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
    settings: ServiceSettings,
    log: SignedLog,
    keystore: KeyStore,
    bus: Bus,
    provider: FileKeyring,
    recipients: Recipients,
) -> consent.ConsentService:
    config = consent.ConsentConfig(
        staleness_seconds=settings.staleness_ms / 1000,
        index_memory=settings.index_memory,
        rebuild_stream=not settings.nats,
        stream_max_bytes=settings.stream_max_bytes,
        stream_replicas=settings.stream_replicas,
        first_tenant="default" if not settings.store else "",
        key_backup_days=settings.key_backup_days,
    )
    return await consent.build(config, log, keystore, bus, provider, clock, recipients)


def _audit(settings: ServiceSettings, logs: dict[str, SignedLog], persons: Persons | None) -> audit.AuditService:
    copies = settings.checkpoints or ("" if settings.store else str(_folder(settings) / "checkpoints"))
    config = audit.AuditConfig(
        tiles=settings.tiles,
        tiles_entries=settings.tiles_entries == 1,
        witnesses=Path(settings.witnesses) if settings.witnesses else None,
        stamps=settings.tsa,
        stamp_roots=Path(settings.tsa_roots) if settings.tsa_roots else None,
        stamp_seconds=settings.tsa_seconds,
        copies=Path(copies) if copies else None,
        anchor_seconds=max(1, settings.anchor_seconds),
    )
    try:
        return audit.build(config, logs, persons, clock)
    except OSError:
        raise CannotListen(f"{settings.tiles} cannot be bound; another process may have it") from None


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
