"""Every pair of sizes up to 300: roots, plans, proofs and tiles are those of the RFC's recursive definitions."""

from consentledger.tlog.hashing import EMPTY_ROOT
from consentledger.tlog.proofs import (
    consistency_plan,
    edge_nodes,
    inclusion_plan,
    verify_consistency,
    verify_inclusion,
)
from consentledger.tlog.tiles import WIDTH, Tile, perfect_root, place_of, tiles_of
from consentledger.tlog.tree import EMPTY
from tests.support.rfc_tree import RfcTree

LARGEST = 300
TREE = RfcTree.of_size(LARGEST)
LEAVES = [TREE.root(i, i + 1) for i in range(LARGEST)]
ROOTS = [TREE.root(0, size) for size in range(LARGEST + 1)]


class Nodes(dict[tuple[int, int], bytes]):
    """The roots of all perfect subtrees that a tree of some size has, by the definition; it knows of no other."""

    def __init__(self, size: int) -> None:
        super().__init__(
            ((level, index), TREE.root(index << level, (index + 1) << level))
            for level in range(size.bit_length())
            for index in range(size >> level)
        )


def test_the_edge_grows_to_every_root() -> None:
    edge = EMPTY
    assert edge.root() == ROOTS[0] == EMPTY_ROOT
    for size, leaf in enumerate(LEAVES, 1):
        edge = edge.append([leaf])
        assert edge.root() == ROOTS[size]
        nodes = Nodes(size)
        assert edge.hashes == tuple(nodes[node] for node in edge_nodes(size))


def test_every_leaf_of_every_tree_is_proven() -> None:
    for size in range(1, LARGEST + 1):
        nodes = Nodes(size)
        for index in range(size):
            proof = inclusion_plan(index, size).hashes(nodes)
            assert proof == TREE.path(index, 0, size)
            verify_inclusion(index, size, LEAVES[index], proof, ROOTS[size])


def test_every_tree_is_proven_to_extend_every_smaller_one() -> None:
    for new in range(LARGEST + 1):
        nodes = Nodes(new)
        for old in range(new + 1):
            proof = consistency_plan(old, new).hashes(nodes)
            assert proof == (TREE.proof(old, new) if old else [])
            verify_consistency(old, new, ROOTS[old], ROOTS[new], proof)


def test_every_tile_of_every_tree_holds_the_hashes_of_the_definition() -> None:
    for size in range(LARGEST + 1):
        tiles = {(tile.level, tile.index): tile for tile in tiles_of(size)}
        assert len(tiles) == sum(-(-(size // WIDTH**level) // WIDTH) for level in range(3))
        for node, expected in Nodes(size).items() if size % 16 == 0 else ():
            level, index, first, count = place_of(node)
            held = hashes(tiles[level, index])[first : first + count]
            assert len(held) == count
            assert perfect_root(held) == expected


def hashes(tile: Tile) -> list[bytes]:
    """What a tile holds, in the words of the specification."""
    span = WIDTH**tile.level
    places = (tile.index * WIDTH + i for i in range(tile.width))
    return [TREE.root(place * span, (place + 1) * span) for place in places]
