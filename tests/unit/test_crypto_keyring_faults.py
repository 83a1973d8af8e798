"""A keyring whose file cannot be written, or was and nobody knows: nothing is used that might be lost."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consentledger.crypto.keyring import FileKeyring, KeyringUnusable
from consentledger.crypto.provider import KeyUnavailable, ProviderUnreachable

Change = Callable[[FileKeyring], object]
CHANGES: dict[str, Change] = {
    "roll": lambda ring: ring.roll(),
    "destroy": lambda ring: ring.destroy(1),
    "reseal": lambda ring: ring.reseal(None),
}
PLACES = ["draft", "before the rename", "after the rename", "folder"]


@pytest.fixture
def ring(tmp_path: Path) -> FileKeyring:
    made = FileKeyring.create(tmp_path / "keyring.json")
    made.roll()
    return made


def break_at(patch: pytest.MonkeyPatch, place: str) -> None:
    """Let the next write fail there: before it is carried out, or after."""
    rename, link, sync = os.replace, os.link, os.fsync
    fault = OSError(errno.EIO, "on purpose")

    def moved(really: Callable[..., None]) -> Callable[..., None]:
        def move(*args: Any) -> None:
            if place == "after the rename":
                really(*args)
            if place != "folder":
                raise fault
            really(*args)
            patch.setattr(os, "fsync", failing)

        return move

    def failing(file: int) -> None:
        raise fault

    if place == "draft":
        patch.setattr(os, "fsync", failing)
    else:
        patch.setattr(os, "replace", moved(rename))
        patch.setattr(os, "link", moved(link))
        patch.setattr(os, "fsync", sync)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("change", CHANGES)
def test_after_a_failed_write_only_what_the_file_holds_is_used(
    ring: FileKeyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, place: str
) -> None:
    path = tmp_path / "keyring.json"
    old = [ring.wrap(b"k" * 32, b"")]
    with monkeypatch.context() as patch:
        break_at(patch, place)
        with pytest.raises(KeyringUnusable):
            CHANGES[change](ring)
    fresh = FileKeyring.open(path)
    assert fresh.current_epoch in (2, 3)
    assert (place in ("draft", "before the rename")) <= (fresh.epochs == [1, 2])
    wrapped = [*old, ring.wrap(b"k" * 32, b"")]
    assert [fresh.unwrap(each, b"") for each in wrapped] == [b"k" * 32] * 2
    CHANGES[change](ring)
    newest = FileKeyring.open(path)
    assert [newest.unwrap(each, b"") for each in wrapped] == [b"k" * 32] * 2
    assert sorted(one.name for one in tmp_path.iterdir()) == ["keyring.json", "keyring.json.lock"]


@pytest.mark.parametrize("place", PLACES)
def test_a_keyring_whose_making_failed_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    path = tmp_path / "keyring.json"
    with monkeypatch.context() as patch:
        break_at(patch, place)
        with pytest.raises(KeyringUnusable):
            FileKeyring.create(path)
    assert path.exists() == (place in ("after the rename", "folder"))
    assert FileKeyring.open_or_create(path).epochs == [1]
    assert [one.name for one in tmp_path.iterdir()] == ["keyring.json"]


def test_an_epoch_is_used_only_once_its_file_is_surely_on_the_disk(
    ring: FileKeyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = FileKeyring.open(tmp_path / "keyring.json")
    with monkeypatch.context() as patch:
        break_at(patch, "folder")
        with pytest.raises(KeyringUnusable):
            there.roll()
        for use in (lambda: ring.wrap(b"k" * 32, b""), lambda: there.wrap(b"k" * 32, b"")):
            with pytest.raises(ProviderUnreachable):
                use()
    assert [each.wrap(b"k" * 32, b"")[4] for each in (ring, there)] == [3, 3]


def test_drafts_that_a_crash_left_are_removed_since_they_hold_keys(ring: FileKeyring, tmp_path: Path) -> None:
    kept = tmp_path / "keyring.json.bak"
    for leftover in (tmp_path / "keyring.json.0123456789abcdef.new", kept):
        leftover.write_text("{}")
    ring.destroy(1)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["keyring.json", kept.name, "keyring.json.lock"]


@pytest.mark.parametrize("put", ["older", "another"])
def test_a_keyring_put_back_or_exchanged_under_a_running_process_is_not_used(
    ring: FileKeyring, tmp_path: Path, put: str
) -> None:
    path, older = tmp_path / "keyring.json", tmp_path / "older.json"
    older.write_bytes(path.read_bytes())
    older.chmod(0o600)
    old = ring.wrap(b"k" * 32, b"")
    ring.roll()
    if put == "another":
        older.unlink()
        for _ in range(3):
            FileKeyring.open_or_create(older).roll()
    older.rename(path)
    with pytest.raises(ProviderUnreachable):
        ring.wrap(b"k" * 32, b"")
    assert ring.unwrap(old, b"") == b"k" * 32


def test_a_file_that_is_gone_takes_nothing_from_a_running_process(ring: FileKeyring, tmp_path: Path) -> None:
    (tmp_path / "keyring.json").unlink()
    assert ring.unwrap(ring.wrap(b"k" * 32, b""), b"") == b"k" * 32


def test_a_copy_that_is_too_old_is_told_from_an_epoch_that_is_lost(ring: FileKeyring, tmp_path: Path) -> None:
    copy = tmp_path / "copy.json"
    copy.touch(0o600)
    copy.write_bytes((tmp_path / "keyring.json").read_bytes())
    old, replica = ring.wrap(b"k" * 32, b""), FileKeyring.open(copy)
    ring.roll()
    with pytest.raises(ProviderUnreachable, match="newer than the keyring here"):
        replica.unwrap(ring.wrap(b"k" * 32, b""), b"")
    ring.destroy(2)
    with pytest.raises(KeyUnavailable) as lost:
        ring.unwrap(old, b"")
    assert not isinstance(lost.value, ProviderUnreachable)


ROLLER = """
import sys
from pathlib import Path
from consentledger.crypto.keyring import FileKeyring
ring = FileKeyring.open(Path(sys.argv[1]))
while True:
    print(ring.roll(), ring.wrap(b"k" * 32, b"").hex(), flush=True)
"""


@pytest.mark.fault
def test_every_epoch_that_was_ever_reported_survives_being_killed(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    FileKeyring.create(path)
    reported: list[bytes] = []
    for lines in (1, 3, 7):
        roller = subprocess.Popen([sys.executable, "-c", ROLLER, str(path)], stdout=subprocess.PIPE, text=True)
        assert roller.stdout is not None
        reported += [bytes.fromhex(roller.stdout.readline().split()[1]) for _ in range(lines)]
        roller.send_signal(signal.SIGKILL)
        reported += [bytes.fromhex(line.split()[1]) for line in roller.stdout if line.endswith("\n")]
        roller.wait()
        found = FileKeyring.open(path)
        assert [found.unwrap(each, b"") for each in reported] == [b"k" * 32] * len(reported)
        assert found.epochs == list(range(1, found.current_epoch + 1))
