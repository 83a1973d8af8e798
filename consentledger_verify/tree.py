"""The tree that the leaves of an export make, and its roots at the sizes that somebody vouches for. Pure."""

from collections.abc import Iterable

from consentledger.tlog.tree import Edge

AT_ONCE = 1_024
"""Leaf hashes held before they are folded into the edge."""


class Tree:
    """Fed with leaf hashes in order, from the edge of what is before the export."""

    def __init__(self, edge: Edge, sizes: Iterable[int]) -> None:
        """`sizes` are those whose roots will be asked for."""
        self._edge = edge
        self._sizes = sorted({size for size in sizes if size >= edge.size}, reverse=True)
        self._pending: list[bytes] = []
        self._stop = 0
        self.roots: dict[int, bytes] = {}
        """The roots at the sizes asked for, as far as the leaves have come."""
        self._mark()

    def add(self, leaf_hash: bytes) -> None:
        """The next leaf's hash, 32 bytes."""
        self._pending.append(leaf_hash)
        if len(self._pending) == self._stop:
            self._fold()

    def finish(self) -> Edge:
        """The edge after all leaves."""
        self._fold()
        return self._edge

    def _fold(self) -> None:
        self._edge = self._edge.append(self._pending)
        self._pending.clear()
        self._mark()

    def _mark(self) -> None:
        while self._sizes and self._sizes[-1] == self._edge.size:
            self.roots[self._sizes.pop()] = self._edge.root()
        self._stop = min(AT_ONCE, self._sizes[-1] - self._edge.size) if self._sizes else AT_ONCE
