"""A store's log, opened as a service opens it, with a checkpoint guard in a folder."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from consentledger.crypto.keyring import FileKeyring
from consentledger.crypto.provider import KeyProvider
from consentledger.store.guard_file import FileGuard
from consentledger.store.ledger import Store
from consentledger.store.signedlog import SignedLog
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.tree import EMPTY
from tests.support.stores import entry, moved

NAME = "test.example"


@contextlib.asynccontextmanager
async def signed(store: Store, service: str, provider: KeyProvider, folder: Path) -> AsyncIterator[SignedLog]:
    """The log of `store`; its guard is in `folder`."""
    guard = FileGuard(folder / "guard")
    try:
        log = await SignedLog.open(store, service, provider, guard, NAME)
        try:
            yield log
        finally:
            await log.close()
    finally:
        await guard.close()


@contextlib.asynccontextmanager
async def log_of(store: Store, folder: Path) -> AsyncIterator[SignedLog]:
    provider = FileKeyring.open_or_create(folder / "keyring.json")
    async with signed(store, "consent", provider, folder) as log:
        yield log


async def grow(log: SignedLog, count: int) -> None:
    """Append as the committer does."""
    async with log.store.write() as tx:
        await log.follow(tx)
        first = tx.head.position + 1
        entries = [entry(n) for n in range(first, first + count)]
        grown = log.tree.grow([leaf_hash(e.leaf) for e in entries])
        head = moved(tx.head, entries)
        assert (head.root, head.edge) == (grown.root, grown.edge.pack())
        await tx.append(entries, (), head, grown.hashes, grown.tiles)
    await log.committed(grown)


def root(size: int) -> bytes:
    return EMPTY.append(leaf_hash(b"leaf %d" % n) for n in range(1, size + 1)).root()
