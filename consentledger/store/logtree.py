"""The tree of a log as one process holds it: its right edge and the tiles that are not full yet. No SQL here.

- `grow` changes nothing; what it returns is taken over by `adopt`, after COMMIT and never before.
- `follow` brings it up to what other replicas committed, by hashing the rows themselves, and compares the result with
  the head that they left: rows that are not what the head says are never built upon.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from consentledger.store.dialects import Dialect
from consentledger.store.ledger import FullTile, Head, NotAsSigned
from consentledger.store.tiles import PAGE, Read, full_tiles, leaf_hashes
from consentledger.tlog.hashing import EMPTY_ROOT
from consentledger.tlog.tiles import WIDTH, perfect_root
from consentledger.tlog.tree import EMPTY, BadEdge, Edge


class LogDamaged(NotAsSigned):
    """The rows of the log are not what its head says. Nothing is signed and nothing is written on top of it."""


class LogWentBack(NotAsSigned):
    """The database holds less than this process has seen or signed: a backup was put in its place."""


Open = tuple[tuple[bytes, ...], ...]
"""For each tile level, the hashes of its last tile, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A tree after more leaves."""

    edge: Edge
    root: bytes
    hashes: Sequence[bytes] = ()
    """Of the leaves added."""
    tiles: Sequence[FullTile] = ()
    """Those that became full."""
    open: Open = ()


@dataclass(slots=True)
class LogTree:
    """See the module's rules."""

    now: Growth = field(default_factory=lambda: Growth(EMPTY, EMPTY_ROOT))
    """The tree as it is."""

    @property
    def size(self) -> int:
        """How many leaves."""
        return self.now.edge.size

    def grow(self, hashes: Sequence[bytes]) -> Growth:
        """The tree after these leaves; nothing changes yet."""
        return _grown(self.now, hashes)

    def adopt(self, growth: Growth) -> None:
        """Take over what was committed, unless more is known already."""
        if growth.edge.size >= self.size:
            self.now = Growth(growth.edge, growth.root, (), (), growth.open)

    async def load(self, read: Read, dialect: Dialect, head: Head) -> None:
        """Start from what is stored, checked against the head. Raises LogDamaged."""
        size, levels, level = head.position, list[tuple[bytes, ...]](), 0
        try:
            start = size - size % WIDTH
            levels.append(tuple(await leaf_hashes(read, start, size)))
            while size >= WIDTH:
                size, level = size // WIDTH, level + 1
                numbers = range(size - size % WIDTH, size)
                stored = await full_tiles(read, dialect, level - 1, numbers)
                levels.append(tuple(perfect_root(split(stored[number])) for number in numbers))
            edge = Edge.unpack(head.position, head.edge)
        except (ValueError, KeyError, BadEdge):
            raise LogDamaged("rows or tiles of the log are missing") from None
        if edge.root() != head.root or not _agree(edge, levels):
            raise LogDamaged("the log's rows are not what its head says")
        self.now = Growth(edge, head.root, (), (), tuple(levels))

    async def follow(self, read: Read, head: Head) -> None:
        """Catch up with what other replicas committed. Raises LogDamaged or LogWentBack."""
        grown = self.now
        if head.position < grown.edge.size:
            raise LogWentBack("the database holds less than this process has committed to it")
        while grown.edge.size < head.position:
            end = min(head.position, grown.edge.size + PAGE)
            try:
                grown = _grown(grown, await leaf_hashes(read, grown.edge.size, end))
            except ValueError:
                raise LogDamaged("rows of the log are missing") from None
            await asyncio.sleep(0)  # a long way must not hold up everybody else
        if (grown.root, grown.edge.pack()) != (head.root, head.edge):
            raise LogDamaged("the log's rows are not what its head says")
        self.adopt(grown)


def _grown(now: Growth, hashes: Sequence[bytes]) -> Growth:
    if not hashes:
        return now
    edge = now.edge.append(hashes)
    tiles: list[FullTile] = []
    levels = list(now.open)
    level, more, size = 0, list(hashes), now.edge.size
    while more:
        row = [*(levels[level] if level < len(levels) else ()), *more]
        size //= WIDTH  # full tiles of this level so far
        more = []
        for number, start in enumerate(range(0, len(row) - WIDTH + 1, WIDTH), size):
            full = row[start : start + WIDTH]
            tiles.append(FullTile(level, number, b"".join(full)))
            more.append(perfect_root(full))
        levels[level : level + 1] = [tuple(row[len(more) * WIDTH :])]
        level += 1
    return Growth(edge, edge.root(), hashes, tiles, tuple(levels))


async def plant(read: Read, head: Head) -> tuple[Head, Growth]:
    """The tree of a log from before it had one: (the head with it, all that is to be written)."""
    grown = LogTree().grow(await leaf_hashes(read, 0, head.position))
    return replace(head, root=grown.root, edge=grown.edge.pack()), grown


def split(hashes: bytes) -> list[bytes]:
    """The hashes of a full tile. ValueError for anything else."""
    if len(hashes) != WIDTH * 32:
        raise ValueError("a full tile has 256 hashes")
    return [hashes[i : i + 32] for i in range(0, len(hashes), 32)]


def _agree(edge: Edge, levels: Sequence[Sequence[bytes]]) -> bool:
    """Whether the open tiles are those of the edge: each level gives the subtrees of eight bits of the size."""
    made: list[bytes] = []
    for hashes in reversed(levels):
        made += Edge(0, ()).append(hashes).hashes
    return tuple(made) == edge.hashes
