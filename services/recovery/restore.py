"""`restore`: the logs of a backup, where there are none now. Guard, keyring and key store stay what they are.

What is restored is older than what was signed, unless nothing happened since: the service refuses it until `resync` has
brought the rest back. That is what the guard is for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from consentledger.settings import ServiceSettings
from consentledger.store.fsck.log import guarded, head_of
from consentledger.store.ledger import StoreUnavailable
from consentledger.store.open import open_guard, sqlite_path
from consentledger.store.postgres_dump import load
from consentledger.store.reader import major_of, open_reader, schemas_of
from consentledger.store.schema import log_schema
from consentledger.store.sqlite_copy import put, refuse_if_there
from services.embedded import ALL, guard_url, keys_url, require_shared, store_url
from services.recovery.backup import KEYS_DUMP, LEDGER_DUMP
from services.recovery.carriers import forget_embedded
from services.recovery.manifest import BadBackup, Manifest, read


@dataclass(frozen=True, slots=True)
class Restored:
    """One log as it is now."""

    log: str
    position: int
    guarded: int | None
    """How many of its events were signed; None if the guard does not know it."""

    @property
    def behind(self) -> bool:
        """Whether the service will refuse it."""
        return (self.guarded is None and self.position > 0) or (self.guarded or 0) > self.position


async def restore(
    settings: ServiceSettings, source: Path, *, with_keys: bool = False, pg_bin: Path | None = None
) -> list[Restored]:
    """Put a backup in place. Raises BadBackup before anything was changed; StoreUnavailable where something is."""
    require_shared(settings)
    manifest = read(source)
    if (manifest.store == "postgresql") != bool(settings.store):
        raise BadBackup(f"a backup of {manifest.store}: for another kind of store")
    if with_keys and not manifest.keys:
        raise BadBackup("this backup holds no key store")
    if settings.store:
        await _load(settings.store, ALL, source / LEDGER_DUMP, pg_bin)
    else:
        for name in ALL:
            refuse_if_there(_file(store_url(settings, name)))
        for name in ALL:
            put(source / f"{name}.db", _file(store_url(settings, name)))
    if with_keys:
        await _keys(settings, source, pg_bin)
    if not settings.store and not settings.nats:
        forget_embedded(settings)
    return await _compared(settings, manifest)


async def _keys(settings: ServiceSettings, source: Path, pg_bin: Path | None) -> None:
    file = sqlite_path(keys_url(settings))
    if (source / KEYS_DUMP).exists() == (file is not None):
        raise BadBackup("the backup's key store is of another kind")
    if file is not None:
        put(source / "keys.db", file)
    else:
        await _load(keys_url(settings), ["keys"], source / KEYS_DUMP, pg_bin)


async def _load(url: str, schemas: Sequence[str], source: Path, pg_bin: Path | None) -> None:
    if there := await schemas_of(url, schemas):
        raise StoreUnavailable(f"the database has a schema {there[0]}: restore into one that has none")
    await load(url, await major_of(url), source, pg_bin)


async def _compared(settings: ServiceSettings, manifest: Manifest) -> list[Restored]:
    """What is there now, compared with the manifest, and with the guard."""
    found = []
    guard = await open_guard(guard_url(settings))
    try:
        for log in manifest.logs:
            schema = log_schema(log.log, ())  # it may be older than its projection is now
            reader = await open_reader(store_url(settings, log.log), schema, snapshot=False)
            try:
                head, kept = await head_of(reader), await guarded(reader, guard)
            finally:
                await reader.close()
            if (head.position, head.root.hex(), head.epoch) != (log.position, log.root, log.epoch):
                raise BadBackup(f"the log {log.log} is not what the manifest says")
            found.append(Restored(log.log, head.position, kept.size if kept is not None else None))
    finally:
        await guard.close()
    return found


def _file(url: str) -> Path:
    path = sqlite_path(url)
    assert path is not None
    return path
