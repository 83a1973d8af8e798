"""The tree as tiles: 256 hashes in a row; level n + 1 is made of the whole tiles of level n (C2SP tlog-tiles). Pure.

- A tree of size s has at level l the hashes 0 to floor(s / 256^l) - 1, in full tiles and at most one partial one.
- A partial tile is never hashed into the level above. An empty one does not exist.
- Beside the tiles of level 0 lie bundles of the leaves themselves.
"""

from collections.abc import Iterator, Sequence

from consentledger.tlog.hashing import node_hash
from consentledger.tlog.plans import Node
from consentledger.tlog.tilenames import HEIGHT, WIDTH, Entries, Tile, TileError, entries_path, parse_path, tile_path
from consentledger.tlog.tree import LARGEST

__all__ = [
    "HEIGHT",
    "WIDTH",
    "Entries",
    "Tile",
    "TileError",
    "entries_path",
    "new_full_tiles",
    "pack_entries",
    "parse_path",
    "perfect_root",
    "place_of",
    "tile_path",
    "tiles_of",
    "unpack_entries",
]

_LARGEST_ENTRY = (1 << 16) - 1


def place_of(node: Node) -> tuple[int, int, int, int]:
    """(tile level, tile index, first, count): the node is the `perfect_root` of that tile's
    hashes[first : first + count]."""
    level, index = node
    if level < 0 or index < 0:
        raise TileError("no such node")
    tile_level, above = divmod(level, HEIGHT)
    tile_index, first = divmod(index << above, WIDTH)
    return tile_level, tile_index, first, 1 << above


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """The root over 2^n hashes. Raises TileError for another count."""
    row = list(hashes)
    if not row or len(row) & (len(row) - 1):
        raise TileError("a perfect subtree has 2^n leaves")
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def tiles_of(size: int) -> Iterator[Tile]:
    """All tiles of a tree: level by level, in each the full ones, then the partial one. Raises TileError."""
    return _tiles(0, size, partial=True)


def new_full_tiles(old_size: int, new_size: int) -> Iterator[Tile]:
    """The full tiles of the new tree that the old one did not have, lower levels first. Raises TileError."""
    return _tiles(old_size, new_size, partial=False)


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """A bundle of 1 to 256 leaves of at most 65,535 bytes: each after its length, uint16 big-endian. Raises
    TileError."""
    if not 1 <= len(entries) <= WIDTH:
        raise TileError("a bundle holds 1 to 256 entries")
    if any(len(one) > _LARGEST_ENTRY for one in entries):
        raise TileError("an entry is at most 65,535 bytes")
    return b"".join(len(one).to_bytes(2, "big") + one for one in entries)


def unpack_entries(data: bytes) -> list[bytes]:
    """Back from `pack_entries`. Raises TileError."""
    entries, at = list[bytes](), 0
    while at < len(data):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if at > len(data):
            raise TileError("the bundle is cut off")
        entries.append(data[start:at])
    if not 1 <= len(entries) <= WIDTH:
        raise TileError("a bundle holds 1 to 256 entries")
    return entries


def _tiles(old: int, new: int, *, partial: bool) -> Iterator[Tile]:
    if not 0 <= old <= new <= LARGEST:
        raise TileError("the sizes are out of range or out of order")
    return _walk(old, new, partial)


def _walk(old: int, new: int, partial: bool) -> Iterator[Tile]:
    level = 0
    while new:
        (done, _), (full, rest) = divmod(old, WIDTH), divmod(new, WIDTH)
        yield from (Tile(level, index) for index in range(done, full))
        if partial and rest:
            yield Tile(level, full, rest)
        level, old, new = level + 1, done, full
