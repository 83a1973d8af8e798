"""Tiles: their places, their paths, and the bundles of leaves beside them."""

import pytest

from consentledger.tlog.tiles import (
    WIDTH,
    Entries,
    Tile,
    TileError,
    entries_path,
    new_full_tiles,
    pack_entries,
    parse_path,
    perfect_root,
    place_of,
    tile_path,
    tiles_of,
    unpack_entries,
)
from consentledger.tlog.tree import LARGEST
from tests.support.rfc_tree import RfcTree


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(0, 1234067, 5), "tile/0/x001/x234/067.p/5"),
        (Tile(3, 999, 255), "tile/3/999.p/255"),
        (Tile(63, 1000, 1), "tile/63/x001/000.p/1"),
        (Tile(10, LARGEST), "tile/10/x009/x223/x372/x036/x854/x775/807"),
        (Entries(0), "tile/entries/000"),
        (Entries(1000, 17), "tile/entries/x001/000.p/17"),
        (Entries(LARGEST), "tile/entries/x009/x223/x372/x036/x854/x775/807"),
    ],
)
def test_a_path_is_written_and_read_back(tile: Tile | Entries, path: str) -> None:
    assert (entries_path(tile.index, tile.width) if isinstance(tile, Entries) else tile_path(tile)) == path
    assert parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        *("", "tile", "tile/", "tile/0", "tile/0/", "/tile/0/000", "tile/0/000/", "tile//000", "tiles/0/000"),
        *("tile/00/000", "tile/64/000", "tile/-1/000", "tile/+1/000", "tile/100/000", "tile/a/000", "tile/٣/000"),
        *(
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/0/x000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/X001/000",
        ),
        *("tile/0/x01/000", "tile/0/x0001/000", "tile/0/x001/x000", "tile/0/x001000", "tile/0/x001//000", "tile/0/٠٠٠"),
        *("tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/257", "tile/0/000.p/05"),
        *("tile/0/000.p/+5", "tile/0/000.p/5/", "tile/0/000.p/5.p/5", "tile/0/000p/5", "tile/0/000.P/5", "tile/0/.p/5"),
        *("tile/0/000\n", "tile/0/000 ", " tile/0/000", "tile/0/000.p/5\n", "tile/0/../000", "tile/0/000?x"),
        *("tile/Entries/000", "tile/entries", "tile/entries/", "tile/entries/x000/001", "tile/data/000"),
        "tile/0/x009/x223/x372/x036/x854/x775/808",
        "tile/0/x001/x000/x000/x000/x000/x000/x000/000",
        "tile/entries/x009/x223/x372/x036/x854/x775/808",
    ],
)
def test_any_other_path_is_refused(path: str) -> None:
    with pytest.raises(TileError):
        parse_path(path)


@pytest.mark.parametrize(
    ("level", "index", "width"),
    [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, LARGEST + 1, 1), (0, 0, 0), (0, 0, 257), (0, 0, -1)],
)
def test_a_tile_that_cannot_be_is_refused(level: int, index: int, width: int) -> None:
    with pytest.raises(TileError):
        Tile(level, index, width)
    if level == 0:
        with pytest.raises(TileError):
            Entries(index, width)
        with pytest.raises(TileError):
            entries_path(index, width)


def test_the_hash_of_every_node_is_found_in_its_tile() -> None:
    tree = RfcTree.of_size(600)
    for level in range(10):
        for index in range(600 >> level):
            tile_level, tile_index, first, count = place_of((level, index))
            span = 256**tile_level
            start = (tile_index * WIDTH + first) * span
            hashes = [tree.root(start + i * span, start + (i + 1) * span) for i in range(count)]
            assert first + count <= WIDTH
            assert perfect_root(hashes) == tree.root(index << level, (index + 1) << level)


def test_a_node_high_up_lies_in_a_high_tile() -> None:
    assert place_of((0, 255)) == (0, 0, 255, 1)
    assert place_of((7, 1)) == (0, 0, 128, 128)
    assert place_of((8, 0)) == (1, 0, 0, 1)
    assert place_of((62, 1)) == (7, 0, 64, 64)
    for node in [(-1, 0), (0, -1)]:
        with pytest.raises(TileError):
            place_of(node)


@pytest.mark.parametrize("count", [0, 3, 5, 6, 7, 255, 257])
def test_only_a_power_of_two_hashes_have_a_perfect_root(count: int) -> None:
    with pytest.raises(TileError):
        perfect_root([bytes(32)] * count)


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000, 131_072])
def test_the_tiles_of_a_tree_are_those_of_the_formula(size: int) -> None:
    expected = []
    for level in range(8):
        hashes = size // 256**level
        expected += [Tile(level, index) for index in range(hashes // 256)]
        expected += [Tile(level, hashes // 256, hashes % 256)] if hashes % 256 else []
    assert list(tiles_of(size)) == expected


def test_new_full_tiles_are_those_that_the_old_tree_had_not() -> None:
    sizes = [0, 1, 255, 256, 257, 512, 5_000, 65_535, 65_536, 66_000, 131_072]
    for old in sizes:
        for new in sizes:
            if old > new:
                with pytest.raises(TileError):
                    new_full_tiles(old, new)
                continue
            full_before = {tile for tile in tiles_of(old) if tile.width == WIDTH}
            expected = [tile for tile in tiles_of(new) if tile.width == WIDTH and tile not in full_before]
            assert list(new_full_tiles(old, new)) == expected


@pytest.mark.parametrize("size", [-1, LARGEST + 1])
def test_a_tree_of_an_impossible_size_has_no_tiles(size: int) -> None:
    with pytest.raises(TileError):
        tiles_of(size)
    for old in (size, 0):
        with pytest.raises(TileError):
            new_full_tiles(old, size)
    with pytest.raises(TileError):
        new_full_tiles(-1, 5)


def test_the_largest_tree_has_tiles_at_eight_levels() -> None:
    assert next(tiles_of(LARGEST)) == Tile(0, 0)
    assert next(new_full_tiles(LARGEST - 1, LARGEST), None) is None


@pytest.mark.parametrize("entries", [[b""], [b"a", b"", b"bc"], [bytes(65_535)], [b"x"] * 256])
def test_a_bundle_is_packed_and_unpacked(entries: list[bytes]) -> None:
    assert unpack_entries(pack_entries(entries)) == entries


def test_a_bundle_has_big_endian_lengths() -> None:
    assert pack_entries([b"abc", bytes(258)]) == b"\0\3abc\1\2" + bytes(258)


@pytest.mark.parametrize("entries", [[], [b"x"] * 257, [bytes(65_536)], [b"", bytes(65_536)]])
def test_a_bundle_that_cannot_be_is_not_packed(entries: list[bytes]) -> None:
    with pytest.raises(TileError):
        pack_entries(entries)


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\1", b"\0\2a", b"\0\1a\0", b"\0\1a\0\1", b"\0\0" * 257])
def test_a_bundle_that_is_cut_off_or_too_long_is_not_unpacked(data: bytes) -> None:
    with pytest.raises(TileError):
        unpack_entries(data)
