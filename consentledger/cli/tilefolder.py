"""A log as a folder of static files (C2SP tlog-tiles): `checkpoint`, `tile/…`, and `vkey` with its verifier keys.

- A tile that is there already is compared, and never changed: a folder of another history is refused.
- The checkpoint is replaced last, when all that it covers is there.
- What has its name is whole. Bundles of leaves are for nobody else to read; the rest may be published.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from consentledger.cli.failures import BadFile
from consentledger.tlog.checkpoint import CheckpointError, parse_checkpoint
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.keys import VerifierKey
from consentledger.tlog.note import NoteError, open_note, read_note
from consentledger.tlog.tiles import WIDTH, Tile, entries_path, pack_entries, perfect_root, tile_path
from consentledger.tlog.tree import EMPTY, Edge

PUBLIC, PRIVATE = 0o644, 0o600


class TileFolder:
    """Give it all leaves of a log from the first, then `finish`."""

    def __init__(self, folder: Path, *, entries: bool) -> None:
        """`entries` writes bundles of leaves too."""
        self._folder = folder
        self._entries = entries
        self._levels: list[list[bytes]] = [[]]
        self._full: list[int] = [0]
        self._bundle: list[bytes] = []
        self._edge: Edge = EMPTY
        self.written = 0
        """Files that were not there before."""

    def add(self, leaves: Iterable[bytes]) -> None:
        """The next leaves. Raises BadFile."""
        hashes = list[bytes]()
        for leaf in leaves:
            hashes.append(leaf_hash(leaf))
            if self._entries:
                self._bundle.append(leaf)
            self._push(0, hashes[-1])
        self._edge = self._edge.append(hashes)

    def finish(self, note: bytes, vkeys: Sequence[str]) -> int:
        """Write what is partial, and the checkpoint; its size. Raises BadFile if the leaves are not what it says."""
        try:
            checkpoint = parse_checkpoint(open_note(note, [VerifierKey.parse(vkey) for vkey in vkeys]).text)
        except (NoteError, CheckpointError):
            raise BadFile("the checkpoint is not signed by the log's key") from None
        if (checkpoint.size, checkpoint.root) != (self._edge.size, self._edge.root()):
            raise BadFile("the leaves are not what the checkpoint says")
        self._refuse_older(checkpoint.origin, checkpoint.size)
        for level, hashes in enumerate(self._levels):
            if hashes:
                self._tile(level, hashes)
        self._put("vkey", "".join(f"{vkey}\n" for vkey in vkeys).encode(), PUBLIC, replace=True)
        self._put("checkpoint", note, PUBLIC, replace=True)
        return checkpoint.size

    def _push(self, level: int, one: bytes) -> None:
        if level == len(self._levels):
            self._levels.append([])
            self._full.append(0)
        hashes = self._levels[level]
        hashes.append(one)
        if len(hashes) == WIDTH:
            self._tile(level, hashes)
            self._full[level] += 1
            self._push(level + 1, perfect_root(hashes))
            hashes.clear()

    def _tile(self, level: int, hashes: Sequence[bytes]) -> None:
        index = self._full[level]
        self._put(tile_path(Tile(level, index, len(hashes))), b"".join(hashes), PUBLIC)
        if level == 0 and self._entries:
            self._put(entries_path(index, len(hashes)), pack_entries(self._bundle), PRIVATE)
            self._bundle.clear()

    def _put(self, name: str, data: bytes, mode: int, *, replace: bool = False) -> None:
        path = self._folder / name
        part = path.with_name(path.name + ".part")
        try:
            if not replace and path.exists():
                if path.read_bytes() != data:
                    raise BadFile(f"{name} is of another log, or was changed")
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            self.written += 1
        except OSError:
            raise BadFile(f"{name} cannot be written") from None

    def _refuse_older(self, origin: str, size: int) -> None:
        try:
            there = parse_checkpoint(read_note((self._folder / "checkpoint").read_bytes())[0])
        except FileNotFoundError:
            return
        except (OSError, NoteError, CheckpointError):
            raise BadFile("the checkpoint that is there cannot be read") from None
        if there.origin != origin or there.size > size:
            raise BadFile("the checkpoint that is there is of another log, or newer")
