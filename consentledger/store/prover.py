"""Proofs from the stored tree: nodes from full tiles, from the tiles still open in memory, and nothing else.

Proofs are asked about trees no larger than the one in memory, whose full tiles are all stored. Tiles read are kept,
with the nodes inside them, since they never change: a million leaves have four thousand.
"""

from collections.abc import Iterable, Mapping, Sequence

from consentledger.store.ledger import Store
from consentledger.store.logtree import Growth, LogDamaged, LogTree, split
from consentledger.store.tiles import full_tiles
from consentledger.tlog.hashing import node_hash
from consentledger.tlog.proofs import Node, consistency_plan, edge_nodes, inclusion_plan
from consentledger.tlog.tiles import HEIGHT, WIDTH, place_of
from consentledger.tlog.tree import Edge

KEPT = 512
"""Full tiles kept in memory, 40 KB each with the nodes inside."""

_Place = tuple[int, int]
"""(tile level, tile number)."""


class Prover:
    """Proofs about one log."""

    def __init__(self, store: Store, tree: LogTree) -> None:
        self._store = store
        self._tree = tree
        self._kept: dict[_Place, list[list[bytes]]] = {}

    async def inclusion(self, index: int, size: int) -> list[bytes]:
        """The audit path of a leaf in the tree of `size` leaves (RFC 9162, 2.1.3.1). index < size <= the tree's."""
        plan = inclusion_plan(index, size)
        return plan.hashes(await self.nodes(plan.nodes))

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the tree of `old` leaves begins that of `new` (RFC 9162, 2.1.4.1). 0 < old <= new."""
        plan = consistency_plan(old, new)
        return plan.hashes(await self.nodes(plan.nodes))

    async def edge(self, size: int) -> Edge:
        """The right edge of the tree of the first `size` leaves, and so its root."""
        nodes = edge_nodes(size)
        found = await self.nodes(nodes)
        return Edge(size, tuple(found[node] for node in nodes))

    async def leaf_hash(self, index: int) -> bytes:
        """The hash of one leaf, as the tree holds it."""
        return (await self.nodes([(0, index)]))[0, index]

    async def tile(self, level: int, number: int, width: int) -> bytes | None:
        """The first `width` hashes of a tile; None if the tree does not have them yet."""
        have = (self._tree.size >> (HEIGHT * level)) - number * WIDTH
        if not 0 < width <= min(have, WIDTH):
            return None
        if have < WIDTH:
            return b"".join(self._tree.now.open[level][:width])
        return b"".join((await self._tiles([(level, number)]))[level, number][0][:width])

    async def nodes(self, nodes: Sequence[Node]) -> Mapping[Node, bytes]:
        """The hashes of perfect subtrees. Raises LogDamaged if a tile is missing."""
        now = self._tree.now
        places = {node: place_of(node) for node in nodes}
        stored = {(level, number) for level, number, _, _ in places.values() if _is_full(now, level, number)}
        tiles = await self._tiles(stored)
        return {node: _node(now, tiles, *place) for node, place in places.items()}

    async def _tiles(self, places: Iterable[_Place]) -> dict[_Place, list[list[bytes]]]:
        """These full tiles, with the nodes inside them: what is kept may be gone by the time that others are read."""
        tiles = {place: self._kept[place] for place in places if place in self._kept}
        wanted = [place for place in places if place not in tiles]
        for level in {level for level, _ in wanted}:
            numbers = [number for one, number in wanted if one == level]
            found = await full_tiles(self._store.read, self._store.dialect, level, numbers)
            for number in numbers:
                try:
                    hashes = split(found[number])
                except (KeyError, ValueError):
                    raise LogDamaged("a tile of the log is missing") from None
                tiles[level, number] = self._kept[level, number] = _levels(hashes)
                while len(self._kept) > KEPT:
                    del self._kept[next(iter(self._kept))]
        return tiles


def _node(
    now: Growth, tiles: Mapping[_Place, list[list[bytes]]], level: int, number: int, first: int, count: int
) -> bytes:
    if _is_full(now, level, number):
        return tiles[level, number][count.bit_length() - 1][first // count]
    hashes = now.open[level][first : first + count]
    if len(hashes) != count:
        raise LogDamaged("a proof was asked for about more than there is")
    return _levels(hashes)[-1][0]


def _is_full(now: Growth, level: int, number: int) -> bool:
    return (number + 1) * WIDTH <= now.edge.size >> (HEIGHT * level)


def _levels(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """The hashes, and the nodes above them, level by level, as far as they pair."""
    levels = [list(hashes)]
    while len(below := levels[-1]) > 1:
        levels.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])
    return levels
