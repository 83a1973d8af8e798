"""How far a log is known to have been published, kept beside it. A lower bound: written now and then, never ahead.

It tells an empty carrier that was never filled from one that lost what it had. SQL of the store.
"""

from consentledger.store.ledger import Store, Transaction

READ_MARK = "SELECT published FROM outbox_mark"
_WRITE = "UPDATE outbox_mark SET published = $1 WHERE published < $1"


async def read_mark(store: Store) -> int:
    """The last position known to have been published; 0 at first."""
    rows = await store.read(READ_MARK)
    return int(rows[0][0])


async def write_mark(store: Store, published: int) -> None:
    """Move the mark forward."""
    async with store.write() as tx:
        await _move(tx, published)


async def _move(tx: Transaction, published: int) -> None:
    await tx.executemany(_WRITE, [(published,)])
