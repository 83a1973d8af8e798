"""The right edge of a tree: it grows to the roots of the definition, and is stored and read back."""

import pytest

from consentledger.tlog.hashing import EMPTY_ROOT
from consentledger.tlog.tree import EMPTY, LARGEST, BadEdge, Edge
from tests.support.rfc_tree import RfcTree

TREE = RfcTree.of_size(40)
LEAVES = [TREE.root(i, i + 1) for i in range(40)]


def test_an_edge_grows_to_the_roots_of_the_definition_in_any_steps() -> None:
    assert EMPTY.root() == EMPTY_ROOT == TREE.root(0, 0)
    for first in range(40):
        edge = EMPTY.append(LEAVES[:first])
        assert (edge.size, edge.root()) == (first, TREE.root(0, first))
        for second in range(first, 40):
            assert edge.append(LEAVES[first:second]).root() == TREE.root(0, second)


def test_an_edge_is_stored_and_read_back() -> None:
    for size in range(40):
        edge = EMPTY.append(LEAVES[:size])
        assert len(edge.pack()) == 32 * size.bit_count()
        assert edge.pack() == b"".join(edge.hashes)
        assert Edge.unpack(size, edge.pack()) == edge


@pytest.mark.parametrize(
    ("size", "packed"), [(1, b""), (0, bytes(32)), (1, bytes(31)), (1, bytes(33)), (3, bytes(32)), (2, bytes(64))]
)
def test_what_is_no_edge_is_not_read(size: int, packed: bytes) -> None:
    with pytest.raises(BadEdge):
        Edge.unpack(size, packed)


def test_sizes_run_from_zero_to_two_to_the_63_less_one() -> None:
    assert LARGEST == 2**63 - 1
    largest = Edge(LARGEST, (bytes(32),) * 63)
    with pytest.raises(BadEdge):
        largest.append([LEAVES[0]])
    for size, hashes in [(-1, 1), (2**63, 1), (2**63 + 1, 2)]:
        with pytest.raises(BadEdge):
            Edge(size, (bytes(32),) * hashes)


@pytest.mark.parametrize("bad", [b"", bytes(31), bytes(33)])
def test_a_hash_that_is_not_32_bytes_is_refused(bad: bytes) -> None:
    for edge in (EMPTY, EMPTY.append(LEAVES[:1])):
        with pytest.raises(BadEdge):
            edge.append([LEAVES[0], bad])
    with pytest.raises(BadEdge):
        Edge(3, (LEAVES[0], bad))
