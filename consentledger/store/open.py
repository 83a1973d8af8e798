"""From a URL to an open store, and the migration command behind `consentledger migrate`.

- `sqlite:///relative/path`, `sqlite:////absolute/path`: one file a service. It is created and migrated when opened.
- `postgresql://user@host/database?…`: one schema a service. It must have been migrated: services never own tables.
"""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from consentledger.store import postgres_migrate
from consentledger.store.guard import Guard
from consentledger.store.guard_file import FileGuard
from consentledger.store.guard_postgres import PostgresGuard, guard_schema
from consentledger.store.keystore import KeyStore
from consentledger.store.ledger import Store
from consentledger.store.postgres import PostgresStore
from consentledger.store.postgres_server import PostgresServer
from consentledger.store.schema import Migration, Schema, key_schema, log_schema
from consentledger.store.sqlite import SqliteStore
from consentledger.store.sqlite_file import SqliteFile


class NotAStore(ValueError):
    """A URL that names no store. The text does not hold it, since it may hold a password."""


SQLITE = "sqlite:///"
POSTGRESQL = ("postgresql://", "postgres://")


def sqlite_path(url: str) -> Path | None:
    """The file that `url` names, or None for PostgreSQL. Raises NotAStore for anything else."""
    if url.startswith(SQLITE) and len(url) > len(SQLITE):
        return Path(unquote(url[len(SQLITE) :]))
    if url.startswith(POSTGRESQL):
        return None
    raise NotAStore("a store's URL begins with sqlite:/// and a path, or with postgresql://")


async def open_store(url: str, service: str, migrations: Sequence[Migration]) -> Store:
    """Open a service's log with its projection's tables. Raises StoreUnavailable, SchemaTooOld or NotAStore."""
    if path := sqlite_path(url):
        return await SqliteStore.open(path, service, migrations)
    return await PostgresStore.open(url, service, migrations)


async def open_keystore(url: str) -> KeyStore:
    """Open the key store: a database of its own, with backups and a retention of its own."""
    if path := sqlite_path(url):
        return KeyStore(await SqliteFile.open(path, key_schema(), secure_delete=True))
    return KeyStore(await PostgresServer.open(url, key_schema()))


async def open_guard(url: str) -> Guard:
    """Open the checkpoint guard: `file:///folder`, or `postgresql://…` of a database that is not the events' own."""
    if url.startswith("file:///") and len(url) > len("file:///"):
        return FileGuard(Path(unquote(url[len("file://") :])))
    if url.startswith(POSTGRESQL):
        return await PostgresGuard.open(url)
    raise NotAStore("a checkpoint guard's URL begins with file:/// and a folder, or with postgresql://")


async def migrate_guard(url: str) -> None:
    """Bring a guard in PostgreSQL up to date; a folder needs nothing."""
    if url.startswith(POSTGRESQL):
        await postgres_migrate.migrate(url, guard_schema())


async def migrate_store(url: str, service: str, migrations: Sequence[Migration]) -> None:
    """Bring a service's log up to date. Safe to repeat, and to run several times at once on PostgreSQL."""
    await _migrate(url, log_schema(service, migrations))


async def migrate_keystore(url: str) -> None:
    """Bring the key store up to date, likewise."""
    await _migrate(url, key_schema())


async def _migrate(url: str, schema: Schema) -> None:
    if path := sqlite_path(url):
        await (await SqliteFile.open(path, schema)).close()
    else:
        await postgres_migrate.migrate(url, schema)
