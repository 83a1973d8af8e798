"""A log as a folder of static files: checked against its checkpoint, added to, and never turned into another log's."""

from pathlib import Path

import pytest

from consentledger.cli.failures import BadFile
from consentledger.cli.tilefolder import TileFolder
from tests.support.tilesclient import mth_of_hashes
from tests.support.witnesses import PaperLog

LOG = PaperLog.of(70_000)


def leaves(size: int, change: int = -1) -> list[bytes]:
    return [b"changed" if n == change else b"leaf %d" % n for n in range(size)]


def fill(folder: Path, size: int, *, log: PaperLog = LOG, entries: bool = False, change: int = -1) -> TileFolder:
    made = TileFolder(folder, entries=entries)
    for start in range(0, size, 1000):
        made.add(leaves(size, change)[start : start + 1000])
    assert made.finish(log.note(size), [LOG.key.vkey()]) == size
    return made


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_tree_of_70000_leaves_has_the_tiles_that_the_specification_counts(tmp_path: Path) -> None:
    fill(tmp_path, 70_000)
    tiles = files(tmp_path / "tile")
    assert {name for name in tiles if not name.startswith("0/")} == {"1/000", "1/001.p/17", "2/000.p/1"}
    assert len([name for name in tiles if name.startswith("0/")]) == 273 + 1 and "0/273.p/112" in tiles
    assert files(tmp_path) - {f"tile/{name}" for name in tiles} == {"checkpoint", "vkey"}
    assert (tmp_path / "tile/0/000").read_bytes() == b"".join(LOG.hashes[:256])
    assert (tmp_path / "tile/2/000.p/1").read_bytes() == mth_of_hashes(LOG.hashes[:65_536])


def test_running_again_adds_what_is_new_and_changes_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path, 300)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    assert fill(tmp_path, 700).written == 2 + 3, "checkpoint and vkey; 0/001, 0/002.p/188, and 1/000.p/2"
    after = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    assert {name for name in before if before[name] != after[name]} == {"checkpoint"}
    assert fill(tmp_path, 700).written == 2


def test_an_empty_log_is_a_checkpoint(tmp_path: Path) -> None:
    fill(tmp_path, 0)
    assert files(tmp_path) == {"checkpoint", "vkey"}


def test_leaves_are_written_when_asked_for_and_nobody_else_may_read_them(tmp_path: Path) -> None:
    fill(tmp_path, 300, entries=True)
    bundle = tmp_path / "tile/entries/001.p/44"
    assert bundle.read_bytes() == b"".join(len(one).to_bytes(2, "big") + one for one in leaves(300)[256:])
    assert bundle.stat().st_mode & 0o077 == 0
    assert (tmp_path / "tile/0/001.p/44").stat().st_mode & 0o044 == 0o044


def test_leaves_that_are_not_the_checkpoints_leave_the_old_one_in_place(tmp_path: Path) -> None:
    fill(tmp_path, 300)
    with pytest.raises(BadFile, match="not what the checkpoint says"):
        fill(tmp_path, 400, change=350)
    assert (tmp_path / "checkpoint").read_bytes() == LOG.note(300)


def test_another_history_is_not_written_over_what_is_there(tmp_path: Path) -> None:
    fill(tmp_path, 300)
    with pytest.raises(BadFile, match="tile/0/000 is of another log"):
        fill(tmp_path, 300, change=7)


@pytest.mark.parametrize(
    ("log", "size", "why"),
    [
        (LOG, 250, "of another log, or newer"),
        (PaperLog.of(300, seed=b"x" * 32), 300, "not signed by the log's key"),
    ],
)
def test_an_older_checkpoint_or_one_of_another_key_is_refused(
    tmp_path: Path, log: PaperLog, size: int, why: str
) -> None:
    fill(tmp_path, 300)
    with pytest.raises(BadFile, match=why):
        fill(tmp_path, size, log=log)
    assert (tmp_path / "checkpoint").read_bytes() == LOG.note(300)
