"""The log from its first position, page by page: each row against its leaf, all leaves against the stored tree.

Memory holds one page and the tree's open part. A position without a row ends the comparison with the tree, for nothing
behind it can fit; the rows behind it are still looked at.
"""

from collections.abc import Sequence

from consentledger.store.dialects import Dialect, among
from consentledger.store.fsck.finding import Findings, Kind
from consentledger.store.fsck.rows import differences
from consentledger.store.ledger import Entry
from consentledger.store.logtree import Growth, LogTree
from consentledger.store.schema import ENTRY
from consentledger.store.tiles import Read, full_tiles
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.tiles import HEIGHT, WIDTH

ERASED = "subject.erased.v1"
DESTROYED = "key.destroyed.v1"
"""Types of the consent service's events. Names on disk never change."""
_PAGE = f"SELECT {ENTRY} FROM event WHERE position > $1 AND position <= $2 ORDER BY position"


class Walk:
    """Where a walk has come to."""

    def __init__(self, read: Read, dialect: Dialect, findings: Findings) -> None:
        self._read = read
        self._dialect = dialect
        self._findings = findings
        self.position = 0
        """The last position looked at."""
        self.recorded_us = 0
        """When it was recorded."""
        self.tree: LogTree | None = LogTree()
        """The tree of everything up to there; None behind a gap."""

    async def step(self, upto: int) -> Sequence[Entry]:
        """Look at the positions up to and including `upto`; what was found there."""
        entries = [Entry(*row) for row in await self._read(_PAGE, self.position, upto)]
        if len(entries) != upto - self.position:
            self._gaps(entries, upto)
        await self._rows(entries)
        if self.tree is not None:
            await self._tiles(self.tree, entries)
        self.position = upto
        return entries

    def _gaps(self, entries: Sequence[Entry], upto: int) -> None:
        there = {entry.position for entry in entries}
        for position in range(self.position + 1, upto + 1):
            if position not in there:
                self._findings.add(Kind.POSITION_GAP, position)
        self.tree = None

    async def _rows(self, entries: Sequence[Entry]) -> None:
        missing: list[Entry] = []
        for entry in entries:
            for kind, detail in differences(entry):
                if kind is Kind.CIPHERTEXT_MISSING:
                    missing.append(entry)
                else:
                    self._findings.add(kind, entry.position, detail)
            if entry.recorded_us <= self.recorded_us:
                self._findings.add(Kind.TIME_NOT_INCREASING, entry.position)
            self.recorded_us = entry.recorded_us
        if missing:
            condition, args = among(self._dialect, "stream", 2, sorted({entry.stream for entry in missing}))
            rows = await self._read(f"SELECT stream FROM event WHERE type = $1 AND {condition}", ERASED, *args)
            erased = {bytes(row[0]) for row in rows}
            for entry in missing:
                if entry.stream not in erased:
                    self._findings.add(Kind.CIPHERTEXT_MISSING, entry.position)

    async def _tiles(self, tree: LogTree, entries: Sequence[Entry]) -> None:
        grown = tree.grow([leaf_hash(entry.leaf) for entry in entries])
        await self._compare(grown)
        tree.adopt(grown)

    async def _compare(self, grown: Growth) -> None:
        for level in sorted({tile.level for tile in grown.tiles}):
            made = {tile.number: tile.hashes for tile in grown.tiles if tile.level == level}
            stored = await full_tiles(self._read, self._dialect, level, sorted(made))
            covered = WIDTH << (HEIGHT * level)
            for number, hashes in sorted(made.items()):
                held = stored.get(number)
                if held == hashes:
                    continue
                if held is None or len(held) != len(hashes):
                    self._findings.add(Kind.TILE_DIFFERS, number * covered + 1, f"level {level}")
                    continue
                for at in range(0, len(hashes), 32):
                    if held[at : at + 32] != hashes[at : at + 32]:
                        first = number * covered + (at // 32 << (HEIGHT * level)) + 1
                        kind = Kind.TILE_DIFFERS if level else Kind.LEAF_DIFFERS
                        self._findings.add(kind, first, f"level {level}" if level else "")
