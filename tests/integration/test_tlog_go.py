"""Our log is read by another implementation, and we read the log that it makes: golang.org/x/mod/sumdb, from Debian."""

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from consentledger.tlog.checkpoint import Checkpoint
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.policy import Policy
from consentledger.tlog.prooffile import TlogProof, verify_proof
from consentledger.tlog.proofs import ProofError, verify_consistency, verify_inclusion
from consentledger.tlog.tiles import entries_path, tile_path, tiles_of, unpack_entries
from consentledger.tlog.tree import EMPTY
from tests.support import golang
from tests.support.notes import ORIGIN, log_signer, witness
from tests.support.rfc_tree import sample_leaf
from tests.support.tiled_log import TiledLog

SIGNERS = [log_signer(), witness("w.example/1"), witness("w.example/2", 0)]
Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def tlogcheck(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Runs the Go program; tells how it ended."""
    program = golang.build("tlogcheck", tmp_path_factory.mktemp("go"))

    def run(work: str, folder: Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([program, work, folder], capture_output=True, text=True, timeout=120)

    return run


@pytest.mark.parametrize(
    ("size", "every"), [(1, 1), (2, 1), (7, 1), (255, 1), (256, 1), (257, 1), (1000, 1), (65_536, 997), (70_000, 997)]
)
def test_go_accepts_our_checkpoints_tiles_entries_and_proofs(
    tlogcheck: Program, tmp_path: Path, size: int, every: int
) -> None:
    proven = range(0, size, every)
    TiledLog([sample_leaf(i) for i in range(size)]).write(tmp_path, ORIGIN, SIGNERS, proven)
    done = tlogcheck("verify", tmp_path)
    said = f"{size} leaves, {len(proven)} inclusion proofs, {len(proven)} consistency proofs\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")


@pytest.mark.parametrize(
    "file",
    [
        *("checkpoint", "keys", "proofs.json", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"),
        *("tile/entries/000", "tile/entries/001.p/44"),
    ],
)
def test_go_refuses_what_has_been_changed(tlogcheck: Program, tmp_path: Path, file: str) -> None:
    TiledLog([sample_leaf(i) for i in range(300)]).write(tmp_path, ORIGIN, SIGNERS, [0, 100, 299])
    path = tmp_path / file
    data = path.read_bytes()
    at = data.rindex(b"=") - 5 if b"=\n" in data or b'="' in data else len(data) // 2
    other = b"A" if data[at : at + 1] != b"A" else b"B"
    path.write_bytes(data[:at] + other + data[at + 1 :])
    done = tlogcheck("verify", tmp_path)
    assert done.returncode == 1, done
    path.write_bytes(data)
    assert tlogcheck("verify", tmp_path).returncode == 0


@pytest.fixture(scope="module")
def made(tlogcheck: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    done = tlogcheck("make", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def checkpoint(made: Path) -> Checkpoint:
    log, cosigner = (made / "keys").read_text().split()
    policy = Policy.parse(f"log {log}\nwitness w {cosigner}\nquorum w\n")
    result = policy.verify((made / "checkpoint").read_bytes())
    assert result.witnesses == {"w": 1679315147}
    return result.checkpoint


def test_the_tiles_and_entries_that_go_made_have_the_root_that_it_signed(made: Path, checkpoint: Checkpoint) -> None:
    entries: list[bytes] = []
    for tile in tiles_of(checkpoint.size):
        if tile.level == 0:
            entries += unpack_entries((made / entries_path(tile.index, tile.width)).read_bytes())
    ours = TiledLog(entries)
    for tile in tiles_of(checkpoint.size):
        row = ours.levels[tile.level][tile.index * 256 :][: tile.width]
        assert (made / tile_path(tile)).read_bytes() == b"".join(row)
    assert len(entries) == checkpoint.size == 1000
    assert ours.root(1000) == EMPTY.append(map(leaf_hash, entries)).root() == checkpoint.root


def test_the_proofs_that_go_made_hold_and_changed_ones_do_not(made: Path, checkpoint: Checkpoint) -> None:
    proofs = json.loads((made / "proofs.json").read_bytes())
    size, root = checkpoint.size, checkpoint.root
    assert len(proofs["inclusion"]) == len(proofs["consistency"]) == size
    for one in proofs["inclusion"]:
        leaf = leaf_hash(b"record %d of the log that Go made" % one["index"])
        hashes = [base64.b64decode(text) for text in one["hashes"]]
        verify_inclusion(one["index"], size, leaf, hashes, root)
        with pytest.raises(ProofError):
            verify_inclusion(one["index"], size, leaf_hash(leaf), hashes, root)
    for one in proofs["consistency"]:
        hashes = [base64.b64decode(text) for text in one["hashes"] or []]
        old = base64.b64decode(one["root"])
        verify_consistency(one["size"], size, old, root, hashes)
        with pytest.raises(ProofError):
            verify_consistency(one["size"], size, leaf_hash(old), root, hashes)


def test_a_proof_file_of_what_go_made_proves_a_record(made: Path, checkpoint: Checkpoint) -> None:
    one = json.loads((made / "proofs.json").read_bytes())["inclusion"][123]
    hashes = tuple(base64.b64decode(text) for text in one["hashes"])
    file = TlogProof(123, hashes, (made / "checkpoint").read_bytes()).to_bytes()
    keys = Policy.parse("log " + (made / "keys").read_text().split()[0] + "\nquorum none\n").logs
    record = leaf_hash(b"record 123 of the log that Go made")
    assert verify_proof(file, record, [log.key for log in keys]) == checkpoint
