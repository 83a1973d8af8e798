"""A signed checkpoint of a log as a reader sees it, beside the process that writes it: for a backup's manifest.

It is signed like any other: the guard takes note first, from a tree that the rows are shown to continue.
"""

from collections.abc import Sequence
from typing import Any, cast

from consentledger.crypto.provider import KeyProvider
from consentledger.store.dialects import Dialect
from consentledger.store.guard import BehindGuard, Guard, Guarded
from consentledger.store.ledger import Head, NotAsSigned, Row, Store
from consentledger.store.logtree import LogTree
from consentledger.store.notary import Notary, vkey_of
from consentledger.store.prover import Prover
from consentledger.store.reader import Reader


async def attest(
    reader: Reader,
    head: Head,
    names: Sequence[tuple[str, str]],
    provider: KeyProvider,
    guard: Guard,
    kept: Guarded | None,
) -> bytes:
    """The note for the reader's moment. `kept` is what the guard kept before it.

    Raises NotAsSigned when the keyring, the rows or the guard do not fit.
    """
    if any(vkey != vkey_of(provider, origin) for origin, vkey in names):
        raise NotAsSigned("the keyring is not the one that this log was signed with")
    tree = LogTree()
    await tree.load(reader.fetch, reader.dialect, head)
    prover = Prover(cast(Store, _Rows(reader)), tree)

    async def continues(guarded: Guarded | None) -> None:
        if guarded is None:
            raise BehindGuard("the checkpoint guard knows nothing of this log")
        if guarded.size > tree.size:
            return  # the process that writes has gone on since; it has shown its own
        if (await prover.edge(guarded.size)).root() != guarded.root:
            raise BehindGuard(f"the first {guarded.size} events are not those that were signed")

    if kept is None or kept.size > tree.size:
        raise BehindGuard("the log is behind its checkpoint guard: mend that first")
    await continues(kept)
    notary = Notary([origin for origin, _ in names], provider, guard, kept, continues)
    try:
        await notary.cover(Guarded(tree.size, tree.now.root))
        return notary.checkpoint().note
    finally:
        await notary.close()


class _Rows:
    """What a prover asks of a store."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @property
    def dialect(self) -> Dialect:
        return self._reader.dialect

    async def read(self, sql: str, *args: Any) -> Sequence[Row]:
        return await self._reader.fetch(sql, *args)
