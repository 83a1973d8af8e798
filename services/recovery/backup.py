"""`backup`: the logs as they are at one moment, beside running services, with a signed checkpoint of each.

- Not the key store, unless it is asked for: a key that was destroyed is still in an older copy, until the epoch that it
  was wrapped under is destroyed. Never the keyring, and never the guard: a restored guard would guard nothing.
- A checkpoint is signed like any other: the guard takes note first. The rows are committed, so it may.
- The notifier's moment is not later than the log's that it follows. In PostgreSQL all have one moment.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from consentledger.crypto.keyring import FileKeyring
from consentledger.crypto.sealing import sealer_named
from consentledger.settings import ServiceSettings, vault_settings
from consentledger.store.attest import attest
from consentledger.store.fsck.log import guarded, head_of, names_of
from consentledger.store.guard import Guard, Guarded
from consentledger.store.ledger import StoreUnavailable
from consentledger.store.open import open_guard, sqlite_path
from consentledger.store.postgres_dump import dump
from consentledger.store.reader import PostgresReader, Reader, SqliteReader, open_reader
from consentledger.store.schema import Schema, key_schema, log_schema
from consentledger.store.sqlite_copy import take
from services.embedded import ALL, MIGRATIONS, guard_url, keyring_path, keys_url, require_shared, store_url
from services.recovery.manifest import File, LogOf, Manifest, file_of, write

Progress = Callable[[str, int, int], None]
"""(what, done, of)."""
ORDER = ("notifier", "rights", "consent")
LEDGER_DUMP, KEYS_DUMP = "ledger.dump", "keys.dump"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    out: Path
    with_keys: bool = False
    pg_bin: Path | None = None


async def backup(settings: ServiceSettings, wanted: Wanted, progress: Progress) -> Manifest:
    """Make it in a folder that is empty or not there. Raises StoreUnavailable, SchemaTooOld or NotAStore."""
    require_shared(settings)
    wanted.out.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(wanted.out.iterdir()):
        raise StoreUnavailable(f"{wanted.out} is not empty")
    provider = FileKeyring.open(keyring_path(settings), sealer_named(settings.keyring_sealer, vault_settings()))
    made_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    async with AsyncExitStack() as stack:
        guard = await open_guard(guard_url(settings))
        stack.push_async_callback(guard.close)
        if settings.store:
            logs, files = await _of_postgres(stack, settings, wanted, provider, guard, progress)
        else:
            logs, files = await _of_files(stack, settings, wanted, provider, guard, progress)
        if wanted.with_keys:
            files.append(await _of_keys(stack, settings, wanted, progress))
    logs.sort(key=lambda log: ALL.index(log.log))
    made = Manifest(made_at, "postgresql" if settings.store else "sqlite", wanted.with_keys, logs, files)
    write(wanted.out, made)
    return made


async def _of_files(
    stack: AsyncExitStack,
    settings: ServiceSettings,
    wanted: Wanted,
    provider: FileKeyring,
    guard: Guard,
    progress: Progress,
) -> tuple[list[LogOf], list[File]]:
    logs, files = [], []
    for name in ORDER:
        url, schema = store_url(settings, name), log_schema(name, MIGRATIONS[name])
        kept = await _kept(url, schema, guard)
        reader = await open_reader(url, schema)
        stack.push_async_callback(reader.close)
        assert isinstance(reader, SqliteReader)
        to = wanted.out / f"{name}.db"
        take(reader, to, lambda done, of, name=name: progress(name, done, of))  # type: ignore[misc]
        files.append(file_of(to))
        logs.append(await _log(reader, name, provider, guard, kept))
        await reader.close()
    return logs, files


async def _of_postgres(
    stack: AsyncExitStack,
    settings: ServiceSettings,
    wanted: Wanted,
    provider: FileKeyring,
    guard: Guard,
    progress: Progress,
) -> tuple[list[LogOf], list[File]]:
    moment, major, logs = "", 0, []
    schemas = {name: log_schema(name, MIGRATIONS[name]) for name in ORDER}
    kept = {name: await _kept(settings.store, schema, guard) for name, schema in schemas.items()}
    for name, schema in schemas.items():
        reader = await open_reader(settings.store, schema, snapshot=moment or True)
        stack.push_async_callback(reader.close)
        assert isinstance(reader, PostgresReader)
        if not moment:
            moment, major = await reader.share(), await reader.major()
        logs.append(await _log(reader, name, provider, guard, kept[name]))
    progress("ledger", 0, 1)
    to = wanted.out / LEDGER_DUMP
    await dump(settings.store, ORDER, moment, major, to, wanted.pg_bin)
    progress("ledger", 1, 1)
    return logs, [file_of(to)]


async def _of_keys(stack: AsyncExitStack, settings: ServiceSettings, wanted: Wanted, progress: Progress) -> File:
    schema: Schema = key_schema()
    reader = await open_reader(keys_url(settings), schema)
    stack.push_async_callback(reader.close)
    if sqlite_path(keys_url(settings)) is not None:
        assert isinstance(reader, SqliteReader)
        to = wanted.out / "keys.db"
        take(reader, to, lambda done, of: progress("keys", done, of))
    else:
        assert isinstance(reader, PostgresReader)
        to = wanted.out / KEYS_DUMP
        await dump(keys_url(settings), [schema.service], await reader.share(), await reader.major(), to, wanted.pg_bin)
    return file_of(to)


async def _kept(url: str, schema: Schema, guard: Guard) -> Guarded | None:
    """What was signed, asked for before the moment that is copied: that one is then not behind it, or always was."""
    reader = await open_reader(url, schema, snapshot=False)
    try:
        return await guarded(reader, guard)
    finally:
        await reader.close()


async def _log(reader: Reader, service: str, provider: FileKeyring, guard: Guard, kept: Guarded | None) -> LogOf:
    """What the log was at the reader's moment, signed."""
    head, origins = await head_of(reader), await names_of(reader)
    if not origins:
        return LogOf(service, "", head.epoch, head.position, head.root.hex(), "")
    note = await attest(reader, head, origins, provider, guard, kept)
    return LogOf(service, origins[-1][0], head.epoch, head.position, head.root.hex(), note.decode())
