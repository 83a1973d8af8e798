"""A log that grows by made-up entries, as the committer would write them, and without one."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from consentledger.crypto.keyring import FileKeyring
from consentledger.store.signedlog import SignedLog
from consentledger.tlog.hashing import leaf_hash
from tests.support.signed import signed
from tests.support.stores import entry, moved, opened


@contextlib.asynccontextmanager
async def log_at(url: str, folder: Path) -> AsyncIterator[SignedLog]:
    """The consent log at `url`; keyring and guard are in `folder`."""
    provider = FileKeyring.open_or_create(folder / "keyring.json")
    async with opened(url) as store, signed(store, "consent", provider, folder) as log:
        yield log


async def grow(log: SignedLog, upto: int, leaf: bytes = b"leaf") -> None:
    """Append until the log has so many entries; the leaf at position n is `leaf n`."""
    async with log.store.write() as tx:
        await log.follow(tx)
        entries = [entry(n, leaf=b"%s %d" % (leaf, n)) for n in range(tx.head.position + 1, upto + 1)]
        grown = log.tree.grow([leaf_hash(e.leaf) for e in entries])
        await tx.append(entries, (), moved(tx.head, entries), grown.hashes, grown.tiles)
    await log.committed(grown)
