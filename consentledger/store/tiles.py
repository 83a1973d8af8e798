"""The tree's stored hashes: full tiles as rows, everything newer from the leaves. SQL of the store.

A full tile is written in the transaction that completes it and never changes; the invariant is that a tile is there
exactly when the log's head is past its end.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from consentledger.store.dialects import Dialect, among
from consentledger.store.ledger import Row
from consentledger.tlog.hashing import leaf_hash

Read = Callable[..., Awaitable[Sequence[Row]]]
"""`Store.read` or `Transaction.fetch`: (sql, *args) -> rows."""

PAGE = 4_096
"""Leaves read at once."""
_LEAVES = "SELECT leaf FROM event WHERE position > $1 AND position <= $2 ORDER BY position"


async def leaf_hashes(read: Read, after: int, upto: int) -> list[bytes]:
    """The hashes of the leaves at positions after < p <= upto, made from the rows. ValueError if one is missing."""
    found: list[bytes] = []
    for start in range(after, upto, PAGE):
        end = min(start + PAGE, upto)
        rows = await read(_LEAVES, start, end)
        if len(rows) != end - start:
            raise ValueError("a position of the log has no row")
        found += [leaf_hash(leaf) for (leaf,) in rows]
    return found


async def full_tiles(read: Read, dialect: Dialect, level: int, numbers: Sequence[int]) -> dict[int, bytes]:
    """The stored hashes of the full tiles of one level that are there."""
    condition, args = among(dialect, "number", 2, list(numbers), "bigint")
    rows: Sequence[Any] = await read(f"SELECT number, hashes FROM tile WHERE level = $1 AND {condition}", level, *args)
    return dict(rows)
