"""A log that nobody else has open: its store, its keyring and its guard. Services must be stopped.

A file has a lock. In PostgreSQL the product's other connections are counted: one that is there is a service that would
go on with what it holds in memory.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from consentledger.crypto.keyring import FileKeyring
from consentledger.crypto.sealing import sealer_named
from consentledger.settings import ServiceSettings, vault_settings
from consentledger.store.guard import Guard
from consentledger.store.ledger import Store, StoreUnavailable
from consentledger.store.open import open_guard, open_store
from consentledger.store.reader import open_reader, others
from consentledger.store.schema import log_schema
from services.embedded import MIGRATIONS, guard_url, keyring_path, require_shared, store_url


@dataclass(frozen=True, slots=True)
class Opened:
    """One log."""

    service: str
    store: Store
    provider: FileKeyring
    guard: Guard


async def require_stopped(settings: ServiceSettings) -> None:
    """StoreUnavailable while a service is connected to the logs' PostgreSQL."""
    if not settings.store:
        return
    reader = await open_reader(settings.store, log_schema("consent", MIGRATIONS["consent"]), snapshot=False)
    try:
        if await others(reader):
            raise StoreUnavailable("services are connected to the database: stop them first")
    finally:
        await reader.close()


@contextlib.asynccontextmanager
async def log(settings: ServiceSettings, service: str) -> AsyncIterator[Opened]:
    """The log of a service. The keyring must be there: a new one would not be the log's."""
    require_shared(settings)
    provider = FileKeyring.open(keyring_path(settings), sealer_named(settings.keyring_sealer, vault_settings()))
    async with contextlib.AsyncExitStack() as stack:
        store = await open_store(store_url(settings, service), service, MIGRATIONS[service])
        stack.push_async_callback(store.close)
        guard = await open_guard(guard_url(settings))
        stack.push_async_callback(guard.close)
        yield Opened(service, store, provider, guard)
