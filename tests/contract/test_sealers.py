"""What every sealer keeps, and what a keyring keeps on each. Which of them are real: tests/support/sealers.py."""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from consentledger.crypto.keyring import CannotRetire, FileKeyring, KeyringUnusable
from consentledger.crypto.provider import KeyUnavailable
from consentledger.crypto.sealer import CannotUnseal, RetiringSealer, SealerUnavailable
from tests.support.sealers import KINDS, NOBODY, Kind, kind

PLAIN = b'{"a": "keyring"}'


@pytest.fixture(params=KINDS)
def sealing(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kind]:
    with kind(request.param, tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyring.json"


def test_what_is_sealed_opens_also_for_a_process_that_starts_later(sealing: Kind) -> None:
    for plain in (PLAIN, b"x" * 20_000):
        sealed = sealing.make().seal(plain, b"aad")
        assert sealing.make().unseal(sealed, b"aad") == plain
        assert plain[:8] not in sealed


def test_sealing_twice_gives_two_answers_that_both_open(sealing: Kind) -> None:
    sealer = sealing.make()
    one, two = (sealer.seal(PLAIN, b"aad") for _ in range(2))
    assert one != two
    assert sealer.unseal(one, b"aad") == sealer.unseal(two, b"aad") == PLAIN


def test_what_is_sealed_is_bound_to_its_aad(sealing: Kind) -> None:
    sealer = sealing.make()
    sealed = sealer.seal(PLAIN, b"keyring")
    for other in (b"keyrinh", b"", b"keyring\0"):
        with pytest.raises(CannotUnseal):
            sealer.unseal(sealed, other)


def test_what_was_changed_or_cut_does_not_open(sealing: Kind) -> None:
    sealer = sealing.make()
    sealed = sealer.seal(PLAIN, b"aad")
    places = [*range(0, len(sealed) - 2, 3), len(sealed) - 3]
    for place in places:
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(CannotUnseal):
            sealer.unseal(bytes(changed), b"aad")
    for cut in (b"", sealed[:3], sealed[:-5], sealed[4:]):
        with pytest.raises(CannotUnseal):
            sealer.unseal(cut, b"aad")
    assert sealer.unseal(sealed, b"aad") == PLAIN


def test_another_key_does_not_open_it(sealing: Kind) -> None:
    with pytest.raises(CannotUnseal) as refusal:
        sealing.other.unseal(sealing.make().seal(PLAIN, b"aad"), b"aad")
    assert sealing.secret not in str(refusal.value)


def test_a_sealer_that_is_not_there_says_so_and_no_secret(sealing: Kind) -> None:
    sealed = sealing.make().seal(PLAIN, b"aad")
    for call in (sealing.unreachable.seal, sealing.unreachable.unseal):
        with pytest.raises(SealerUnavailable) as refusal:
            call(sealed, b"aad")
        assert sealing.secret not in str(refusal.value) and refusal.value.__cause__ is None


def test_a_sealed_keyring_is_a_keyring(sealing: Kind, path: Path) -> None:
    ring = FileKeyring.create(path, sealing.make())
    old = ring.wrap(b"k" * 32, b"aad")
    assert ring.roll() == 2
    opened = FileKeyring.open(path, sealing.make())
    assert (opened.epochs, opened.sealed_by) == ([1, 2], sealing.make().name)
    assert opened.derive("label") == ring.derive("label")
    assert opened.unwrap(old, b"aad") == opened.unwrap(ring.wrap(b"k" * 32, b"aad"), b"aad") == b"k" * 32
    assert path.stat().st_mode & 0o777 == 0o600
    written = json.loads(path.read_text())
    assert written.keys() == {"format", "sealer", "sealed"} and written["format"] == 2


def test_an_epoch_added_by_another_process_is_found_while_services_run(sealing: Kind, path: Path) -> None:
    here = FileKeyring.create(path, sealing.make())
    there = FileKeyring.open(path, sealing.make())
    there.roll()
    assert here.unwrap(there.wrap(b"k" * 32, b""), b"") == b"k" * 32


def test_a_keyring_that_is_not_opened_by_what_sealed_it_is_refused(sealing: Kind, path: Path) -> None:
    FileKeyring.create(path, sealing.make())
    before = path.read_bytes()
    for wrong in (None, sealing.other, sealing.unreachable):
        with pytest.raises(KeyringUnusable) as refusal:
            FileKeyring.open(path, wrong)
        assert sealing.make().name in str(refusal.value) and sealing.secret not in str(refusal.value)
        with pytest.raises(KeyringUnusable):
            FileKeyring.open_or_create(path, wrong)
    assert path.read_bytes() == before


def test_a_plain_keyring_is_not_taken_for_a_sealed_one(sealing: Kind, path: Path) -> None:
    FileKeyring.create(path)
    with pytest.raises(KeyringUnusable, match="is not sealed"):
        FileKeyring.open(path, sealing.make())


def test_a_sealed_keyring_that_was_changed_is_refused(sealing: Kind, path: Path) -> None:
    FileKeyring.create(path, sealing.make())
    document = json.loads(path.read_text())
    sealed = bytearray(base64.b64decode(document["sealed"]))
    sealed[len(sealed) // 2] ^= 1
    for change in ({"sealed": base64.b64encode(sealed).decode()}, {"sealed": "?"}, {"sealed": 7}, {"sealer": 7}):
        path.write_text(json.dumps(document | change))
        with pytest.raises(KeyringUnusable):
            FileKeyring.open(path, sealing.make())


def test_a_keyring_is_not_made_when_nothing_can_seal_it(sealing: Kind, path: Path) -> None:
    for make in (FileKeyring.create, FileKeyring.open_or_create):
        with pytest.raises(KeyringUnusable, match="cannot be sealed"):
            make(path, sealing.unreachable)
    assert list(path.parent.glob("keyring.json*")) == []


def test_a_keyring_moves_from_one_sealer_to_another_and_back(sealing: Kind, path: Path) -> None:
    ring = FileKeyring.create(path)
    wrapped, secret = ring.wrap(b"k" * 32, b""), json.loads(path.read_text())["root"]
    ring.reseal(sealing.make())
    assert secret not in path.read_text()
    assert FileKeyring.open(path, sealing.make()).unwrap(wrapped, b"") == b"k" * 32
    ring.reseal(sealing.other)
    with pytest.raises(KeyringUnusable):
        FileKeyring.open(path, sealing.make())
    FileKeyring.open(path, sealing.other).reseal(None)
    assert FileKeyring.open(path).unwrap(wrapped, b"") == b"k" * 32


def test_after_retiring_no_older_copy_of_the_keyring_opens(sealing: Kind, path: Path) -> None:
    ring = FileKeyring.create(path, sealing.make())
    old = ring.wrap(b"k" * 32, b"")
    ring.roll()
    copy = path.with_name("copy.json")
    shutil.copy(path, copy)
    ring.destroy(1)
    # The control: a copy from before holds what was destroyed.
    assert FileKeyring.open(copy, sealing.make()).unwrap(old, b"") == b"k" * 32
    if not sealing.retires:
        assert not isinstance(sealing.make(), RetiringSealer)
        with pytest.raises(CannotRetire):
            ring.retire()
        return
    for _ in range(2):
        ring.retire()
        with pytest.raises(KeyringUnusable, match="retired"):
            FileKeyring.open(copy, sealing.make())
        newest = FileKeyring.open(path, sealing.make())
        assert newest.epochs == [2]
        with pytest.raises(KeyUnavailable):
            newest.unwrap(old, b"")
    newest.roll()
    newest.destroy(2)
    newest.retire()
    assert FileKeyring.open(path, sealing.make()).epochs == [3]


def test_a_cloud_kms_that_cannot_be_reached_says_so_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with kind("aws-kms", tmp_path, monkeypatch) as aws:
        sealed = aws.make().seal(PLAIN, b"aad")
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", NOBODY)
        for call in (aws.make().seal, aws.make().unseal):
            with pytest.raises(SealerUnavailable, match="EndpointConnectionError"):
                call(sealed, b"aad")
