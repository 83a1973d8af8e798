"""What tiles are called: a place in the tree, and the path of its file (C2SP tlog-tiles). Pure.

A path has one spelling: `tile/0/x001/x234/067.p/5`, `tile/entries/067`. Every other is refused.
"""

import re
from dataclasses import dataclass

from consentledger.tlog.tree import LARGEST

HEIGHT = 8
WIDTH = 1 << HEIGHT
_LEVELS = 64
_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?")


class TileError(ValueError):
    """No such tile, path or bundle of entries."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile of hashes."""

    level: int
    """0 (leaf hashes) to 63."""
    index: int
    """The place in the level, from 0."""
    width: int = WIDTH
    """Hashes: 256, or 1 to 255 in a partial tile."""

    def __post_init__(self) -> None:
        if not 0 <= self.level < _LEVELS:
            raise TileError("a level is 0 to 63")
        _check_place(self.index, self.width)


@dataclass(frozen=True, slots=True)
class Entries:
    """One bundle of leaves: those whose hashes are the tile of level 0 at the same index."""

    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        _check_place(self.index, self.width)


def tile_path(tile: Tile) -> str:
    """Where the tile lies below the prefix of the log."""
    return f"tile/{tile.level}/{_place(tile.index, tile.width)}"


def entries_path(index: int, width: int = WIDTH) -> str:
    """Where the bundle lies below the prefix of the log. Raises TileError."""
    _check_place(index, width)
    return f"tile/entries/{_place(index, width)}"


def parse_path(path: str) -> Tile | Entries:
    """Back from `tile_path` and `entries_path`. Raises TileError."""
    match = _PATH.fullmatch(path)
    if not match:
        raise TileError("not the path of a tile")
    kind, groups, partial = match.groups()
    index, width = int(groups.replace("x", "").replace("/", "")), int(partial or WIDTH)
    found = Entries(index, width) if kind == "entries" else Tile(int(kind), index, width)
    if path != (entries_path(index, width) if isinstance(found, Entries) else tile_path(found)):
        raise TileError("not the one spelling of the path")
    return found


def _place(index: int, width: int) -> str:
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    return "/".join(reversed(groups)) + (f".p/{width}" if width < WIDTH else "")


def _check_place(index: int, width: int) -> None:
    if not 0 <= index <= LARGEST or not 1 <= width <= WIDTH:
        raise TileError("no tile at such a place")
