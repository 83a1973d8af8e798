"""The Merkle tree as RFC 9162 defines it, word for word and recursively: what the product's loops are held against.

Shares nothing with `consentledger.tlog`, not even the hashes.
"""

from collections.abc import Sequence
from hashlib import sha256


def sample_leaf(index: int) -> bytes:
    """Some leaf, another one for each index."""
    return b"leaf %d" % index


class RfcTree:
    """A list of leaves D, and the functions of section 2.1 on its ranges D[start:end]."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = leaves
        self._roots: dict[tuple[int, int], bytes] = {}

    @classmethod
    def of_size(cls, size: int) -> "RfcTree":
        """A tree of sample leaves."""
        return cls([sample_leaf(i) for i in range(size)])

    def root(self, start: int, end: int) -> bytes:
        """MTH(D[start:end]), 2.1.1."""
        if (start, end) not in self._roots:
            self._roots[start, end] = self._root(start, end)
        return self._roots[start, end]

    def path(self, m: int, start: int, end: int) -> list[bytes]:
        """PATH(m, D[start:end]), 2.1.3.1; m counts from `start`."""
        n = end - start
        if n == 1:
            return []
        k = _largest_power_of_two_below(n)
        if m < k:
            return [*self.path(m, start, start + k), self.root(start + k, end)]
        return [*self.path(m - k, start + k, end), self.root(start, start + k)]

    def proof(self, m: int, n: int) -> list[bytes]:
        """PROOF(m, D[0:n]), 2.1.4.1, for 0 < m <= n."""
        return self._subproof(m, 0, n, True)

    def _subproof(self, m: int, start: int, end: int, whole: bool) -> list[bytes]:
        n = end - start
        if m == n:
            return [] if whole else [self.root(start, end)]
        k = _largest_power_of_two_below(n)
        if m <= k:
            return [*self._subproof(m, start, start + k, whole), self.root(start + k, end)]
        return [*self._subproof(m - k, start + k, end, False), self.root(start, start + k)]

    def _root(self, start: int, end: int) -> bytes:
        n = end - start
        if n == 0:
            return sha256().digest()
        if n == 1:
            return sha256(b"\x00" + self.leaves[start]).digest()
        k = _largest_power_of_two_below(n)
        return sha256(b"\x01" + self.root(start, start + k) + self.root(start + k, end)).digest()


def _largest_power_of_two_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k
