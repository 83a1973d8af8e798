"""The compact right edge of a tree: all that is needed to add leaves and to know the root (RFC 9162, 2.1.2). Pure.

A tree of n leaves falls into perfect subtrees, one for each 1 bit of n, largest first. Their roots are the edge: at
most 63 hashes, whatever the size.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from consentledger.tlog.hashing import EMPTY_ROOT, HASH_SIZE, node_hash

LARGEST = (1 << 63) - 1
"""The greatest size of a tree."""


class BadEdge(ValueError):
    """The hashes are not the edge of a tree of that size."""


@dataclass(frozen=True, slots=True)
class Edge:
    """The roots of the perfect subtrees of a tree, largest first."""

    size: int
    """Leaves, 0 to 2^63 - 1."""
    hashes: tuple[bytes, ...]
    """One of 32 bytes for each 1 bit of `size`."""

    def __post_init__(self) -> None:
        if not 0 <= self.size <= LARGEST or len(self.hashes) != self.size.bit_count():
            raise BadEdge("as many hashes as the size has 1 bits")
        if any(len(one) != HASH_SIZE for one in self.hashes):
            raise BadEdge("a hash is 32 bytes")

    def append(self, leaf_hashes: Iterable[bytes]) -> "Edge":
        """The edge after more leaves."""
        size, hashes = self.size, list(self.hashes)
        for one in leaf_hashes:
            if len(one) != HASH_SIZE:
                raise BadEdge("a hash is 32 bytes")
            full = size
            while full & 1:  # each trailing 1 bit is a subtree that this leaf completes
                one = node_hash(hashes.pop(), one)
                full >>= 1
            hashes.append(one)
            size += 1
        return Edge(size, tuple(hashes))

    def root(self) -> bytes:
        """The root of the tree, 32 bytes."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in self.hashes[-2::-1]:
            root = node_hash(left, root)
        return root

    def pack(self) -> bytes:
        """The hashes in a row, for storage beside the size."""
        return b"".join(self.hashes)

    @classmethod
    def unpack(cls, size: int, packed: bytes) -> "Edge":
        """Back from `pack`. Raises BadEdge."""
        if len(packed) % HASH_SIZE:
            raise BadEdge("a hash is 32 bytes")
        return cls(size, tuple(packed[i : i + HASH_SIZE] for i in range(0, len(packed), HASH_SIZE)))


EMPTY = Edge(0, ())
"""The tree without leaves."""
