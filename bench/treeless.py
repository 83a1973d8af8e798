"""`python -m bench.treeless …`: the services without the transparency log, to measure what it costs. Never a product.

Nothing is hashed, no tile is written, the database compares nothing, the guard never moves. What is written this way
cannot be proven, and no service will open it again.
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from consentledger.store import committer, postgres, sqlite
from consentledger.store.logtree import Growth
from consentledger.store.signedlog import SignedLog
from consentledger.tlog.hashing import EMPTY_ROOT
from services.__main__ import main


class _Size:
    """As much of an edge as a head needs."""

    def __init__(self, size: int) -> None:
        self.size = size

    def pack(self) -> bytes:
        return b""


class NoTree:
    """Counts."""

    def __init__(self) -> None:
        self.now = Growth(_Size(0), EMPTY_ROOT)  # type: ignore[arg-type]

    @property
    def size(self) -> int:
        return self.now.edge.size

    def grow(self, hashes: Sequence[bytes]) -> Growth:
        return Growth(_Size(self.size + len(hashes)), EMPTY_ROOT, hashes)  # type: ignore[arg-type]

    def adopt(self, growth: Growth) -> None:
        self.now = growth


def _no_hash(_leaf: bytes) -> bytes:
    return b""


async def _follow(self: SignedLog, tx: Any) -> None:
    if not isinstance(self.tree, NoTree):
        self.tree = NoTree()  # type: ignore[assignment]
    self.tree.adopt(Growth(_Size(tx.head.position), EMPTY_ROOT))  # type: ignore[arg-type]


def _committed(self: SignedLog, growth: Growth) -> "asyncio.Future[None]":
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


def without() -> None:
    """Take the log's tree out of this process."""
    vars(committer)["leaf_hash"] = vars(sqlite)["leaf_hash"] = _no_hash
    vars(postgres)["APPEND"] = postgres.APPEND.replace("sha256('\\x00'::bytea || leaf)", "''::bytea")
    vars(sqlite)["WRITTEN"] = "SELECT '' FROM event WHERE position > ?1"
    SignedLog.follow = _follow  # type: ignore[method-assign]
    SignedLog.committed = _committed  # type: ignore[method-assign]


if __name__ == "__main__":
    without()
    sys.exit(main(sys.argv[1:]))
