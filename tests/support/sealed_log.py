"""A log of made-up persons with real leaves, its key store, and hands that change either behind everybody's back.

Each person has three events: opened and recorded, both sealed, and a withdrawal that is not. Person 5 is erased.

async with opened(url) as store, sealed_log(store, tmp_path, persons=200) as log:
    await tamper(store, "UPDATE event SET leaf = $1 WHERE position = 7", b"another")
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from consentledger.crypto.envelope import DataKey
from consentledger.crypto.keyring import FileKeyring
from consentledger.store.commands import Draft, seal
from consentledger.store.keystore import NewPerson
from consentledger.store.ledger import Entry, Store
from consentledger.store.open import migrate_keystore, open_keystore
from consentledger.store.signedlog import SignedLog
from consentledger.tlog.hashing import leaf_hash
from consentledger.v1 import events_pb2 as ev
from tests.support.signed import signed
from tests.support.stores import moved, stream

ERASED = 5


@dataclass(frozen=True)
class SealedLog:
    """What was made."""

    log: SignedLog
    folder: Path
    keys_url: str


def _draft(person: int, version: int, position: int, kind: str, type: str, personal: bytes = b"") -> Draft:
    header = ev.EventHeader()
    getattr(header, kind).SetInParent()
    key = DataKey(bytes([person % 256]) * 32) if personal else None
    return Draft("acme", stream(person), version, position, position * 1_000, None, type, header, personal, key)


def entries_of(person: int, after: int) -> list[Entry]:
    """The events of one person, behind position `after`."""
    drafts = [
        _draft(person, 1, after + 1, "subject_opened", "subject.opened.v1", b"ada@example.org"),
        _draft(person, 2, after + 2, "consent_recorded", "consent.recorded.v1", b"a note"),
        _draft(person, 3, after + 3, "consent_withdrawn", "consent.withdrawn.v1"),
    ]
    if person != ERASED:
        return [seal(one) for one in drafts]
    drafts += [
        _draft(person, 4, after + 4, "subject_erased", "subject.erased.v1"),
        _draft(person, 5, after + 5, "key_destroyed", "key.destroyed.v1"),
    ]
    return [replace(seal(one), ciphertext=None) for one in drafts]


async def grow(log: SignedLog, entries: list[Entry]) -> None:
    """Append as the committer does."""
    async with log.store.write() as tx:
        await log.follow(tx)
        grown = log.tree.grow([leaf_hash(e.leaf) for e in entries])
        await tx.append(entries, (), moved(tx.head, entries), grown.hashes, grown.tiles)
    await log.committed(grown)


async def write_key(url: str, person: int) -> None:
    """Give a person a key."""
    await migrate_keystore(url)
    keystore = await open_keystore(url)
    try:
        id = stream(person)
        await keystore.create([NewPerson("acme", id * 2, id, b"\x01" * 64, "email", b"sealed", 1)])
    finally:
        await keystore.close()


@contextlib.asynccontextmanager
async def sealed_log(store: Store, folder: Path, persons: int) -> AsyncIterator[SealedLog]:
    """The persons 1 to `persons`, all but the erased one with a key."""
    provider = FileKeyring.open_or_create(folder / "keyring.json")
    keys = f"sqlite:///{folder / 'keys.db'}"
    keystore = await open_keystore(keys)
    try:
        alive = [n for n in range(1, persons + 1) if n != ERASED]
        new = [NewPerson("acme", stream(n) * 2, stream(n), b"\x01" * 64, "email", b"sealed", 1) for n in alive]
        await keystore.create(new)
    finally:
        await keystore.close()
    async with signed(store, "consent", provider, folder) as log:
        entries: list[Entry] = []
        for person in range(1, persons + 1):
            entries += entries_of(person, len(entries))
        await grow(log, entries)
        yield SealedLog(log, folder, keys)


async def tamper(store: Store, sql: str, *args: Any) -> None:
    """Change something that the database's triggers do not let anybody change."""
    async with store.write() as tx:
        if store.dialect == "postgresql":
            await tx.executemany("ALTER TABLE event DISABLE TRIGGER ALL", [()])
        else:
            for (name,) in await tx.fetch("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
                await tx.executemany(f"DROP TRIGGER {name}", [()])
        await tx.executemany(sql, [args])
