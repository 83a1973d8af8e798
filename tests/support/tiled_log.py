"""A log as files, in the layout of C2SP tlog-tiles: written by our package, or read from another's."""

import base64
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from consentledger.tlog.checkpoint import Checkpoint
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.note import Signer, sign_note
from consentledger.tlog.proofs import Node, Plan, consistency_plan, edge_nodes, inclusion_plan
from consentledger.tlog.tiles import (
    WIDTH,
    entries_path,
    pack_entries,
    perfect_root,
    place_of,
    tile_path,
    tiles_of,
)
from consentledger.tlog.tree import Edge


class TiledLog:
    """Some leaves, and the hashes of all their tiles."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = leaves
        self.levels = [[leaf_hash(leaf) for leaf in leaves]]
        while len(self.levels[-1]) >= WIDTH:
            row = self.levels[-1]
            full = range(0, len(row) - WIDTH + 1, WIDTH)
            self.levels.append([perfect_root(row[at : at + WIDTH]) for at in full])

    def node(self, node: Node) -> bytes:
        """The root of a perfect subtree, from its tile."""
        level, index, first, count = place_of(node)
        start = index * WIDTH + first
        return perfect_root(self.levels[level][start : start + count])

    def proof(self, plan: Plan) -> list[bytes]:
        """The proof of a plan."""
        return plan.hashes({node: self.node(node) for node in plan.nodes})

    def root(self, size: int) -> bytes:
        """The root of the first `size` leaves."""
        return Edge(size, tuple(self.node(node) for node in edge_nodes(size))).root()

    def write(self, folder: Path, origin: str, signers: Sequence[Signer], proven: Iterable[int]) -> None:
        """All files of the log, with an inclusion and a consistency proof for each index in `proven`."""
        size = len(self.leaves)
        for tile in tiles_of(size):
            start = tile.index * WIDTH
            _write(folder / tile_path(tile), b"".join(self.levels[tile.level][start : start + tile.width]))
            if tile.level == 0:
                entries = self.leaves[start : start + tile.width]
                _write(folder / entries_path(tile.index, tile.width), pack_entries(entries))
        checkpoint = Checkpoint(origin, size, self.root(size))
        _write(folder / "checkpoint", sign_note(checkpoint.text(), signers))
        _write(folder / "keys", "".join(f"{signer.verifier.vkey()}\n" for signer in signers).encode())
        indexes = list(proven)
        proofs = {
            "inclusion": [{"index": i, "hashes": _texts(self.proof(inclusion_plan(i, size)))} for i in indexes],
            "consistency": [
                {
                    "size": i + 1,
                    "root": _texts([self.root(i + 1)])[0],
                    "hashes": _texts(self.proof(consistency_plan(i + 1, size))),
                }
                for i in indexes
            ],
        }
        _write(folder / "proofs.json", json.dumps(proofs).encode())


def _texts(hashes: Iterable[bytes]) -> list[str]:
    return [base64.b64encode(one).decode() for one in hashes]


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
