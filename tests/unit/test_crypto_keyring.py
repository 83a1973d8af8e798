"""The keyring file: who may read it, what survives, what is refused."""

import base64
import hashlib
import hmac
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from consentledger.crypto.keyring import FileKeyring, KeyringUnusable
from consentledger.crypto.provider import KeyProvider, KeyUnavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "keyring.json"


def test_what_is_wrapped_is_unwrapped_also_after_reopening(path: Path) -> None:
    ring: KeyProvider = FileKeyring.create(path)
    wrapped = ring.wrap(b"k" * 32, b"aad")
    assert b"k" * 8 not in wrapped
    assert ring.unwrap(wrapped, b"aad") == b"k" * 32
    assert FileKeyring.open(path).unwrap(wrapped, b"aad") == b"k" * 32
    assert ring.wrap(b"k" * 32, b"aad") != wrapped


def test_only_the_owner_may_read_it(path: Path) -> None:
    old = os.umask(0)
    try:
        FileKeyring.create(path)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["keyring.json"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o660, 0o777])
def test_a_keyring_that_others_may_use_is_refused(path: Path, mode: int) -> None:
    FileKeyring.create(path)
    path.chmod(mode)
    with pytest.raises(KeyringUnusable, match="chmod 600"):
        FileKeyring.open(path)
    with pytest.raises(KeyringUnusable, match="chmod 600"):
        FileKeyring.open_or_create(path)


def test_a_missing_keyring_is_refused_and_never_made_by_opening(path: Path) -> None:
    with pytest.raises(KeyringUnusable, match="No such file"):
        FileKeyring.open(path)
    assert not path.exists()


def test_a_keyring_is_never_made_over_another(path: Path) -> None:
    FileKeyring.create(path)
    before = path.read_bytes()
    with pytest.raises(KeyringUnusable, match="exists"):
        FileKeyring.create(path)
    assert path.read_bytes() == before
    FileKeyring.open_or_create(path)
    assert path.read_bytes() == before


def test_processes_that_start_together_agree_on_one_keyring(path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        rings = list(threads.map(lambda _: FileKeyring.open_or_create(path), range(8)))
    assert len({ring.derive("same") for ring in rings}) == 1


def content(path: Path) -> dict[str, object]:
    read: dict[str, object] = json.loads(path.read_text())
    return read


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2}, {"root": "short"}, {"root": base64.b64encode(b"x" * 16).decode()}, {"root": 7}, {"epochs": {}},
        {"epochs": {"one": "eA=="}}, {"epochs": {"1": "eA=="}}, {"epochs": []}, {"epochs": {"0": "A" * 43 + "="}},
        {"epochs": {"4294967296": "A" * 43 + "="}},
    ],
)  # fmt: skip
def test_a_malformed_keyring_is_refused_without_telling_its_content(path: Path, change: dict[str, object]) -> None:
    FileKeyring.create(path)
    secret = str(content(path)["root"])
    path.write_text(json.dumps(content(path) | change))
    with pytest.raises(KeyringUnusable) as refusal:
        FileKeyring.open(path)
    assert secret not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "\ud800".encode("utf-8", "surrogatepass"), "{}"])
def test_a_file_that_is_no_keyring_is_refused(path: Path, text: str | bytes) -> None:
    FileKeyring.create(path)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(KeyringUnusable):
        FileKeyring.open(path)


def test_a_wrapped_key_is_bound_to_its_aad_and_to_every_bit(path: Path) -> None:
    ring = FileKeyring.create(path)
    wrapped = ring.wrap(b"k" * 32, b"acme person-1")
    with pytest.raises(KeyUnavailable):
        ring.unwrap(wrapped, b"acme person-2")
    for place in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[place] ^= 1
        with pytest.raises(KeyUnavailable):
            ring.unwrap(bytes(changed), b"acme person-1")
    for short in (b"", wrapped[:16], wrapped[:17], wrapped[:-1]):
        with pytest.raises(KeyUnavailable):
            ring.unwrap(short, b"acme person-1")


def test_after_rolling_old_keys_open_and_new_ones_use_the_new_epoch(path: Path) -> None:
    ring = FileKeyring.create(path)
    old = ring.wrap(b"k" * 32, b"")
    assert ring.roll() == 2
    new = ring.wrap(b"k" * 32, b"")
    assert (old[4], new[4]) == (1, 2)
    assert ring.unwrap(old, b"") == ring.unwrap(new, b"") == b"k" * 32
    assert FileKeyring.open(path).unwrap(new, b"") == b"k" * 32


def test_what_a_destroyed_epoch_wrapped_never_opens_again(path: Path) -> None:
    ring = FileKeyring.create(path)
    old = ring.wrap(b"k" * 32, b"")
    ring.roll()
    ring.destroy(1)
    ring.destroy(1)
    for holder in (ring, FileKeyring.open(path)):
        with pytest.raises(KeyUnavailable, match="epoch 1"):
            holder.unwrap(old, b"")
    with pytest.raises(ValueError, match="roll first"):
        ring.destroy(2)
    assert ring.roll() == 3


def test_an_epoch_that_another_process_added_is_found(path: Path) -> None:
    here, there = FileKeyring.create(path), FileKeyring.open(path)
    there.roll()
    assert here.unwrap(there.wrap(b"k" * 32, b""), b"") == b"k" * 32


def test_two_that_roll_never_make_two_keys_of_one_epoch(path: Path) -> None:
    one, two = FileKeyring.create(path), FileKeyring.open(path)
    assert [one.roll(), two.roll(), one.roll()] == [2, 3, 4]
    wrapped = [ring.wrap(b"k" * 32, b"") for ring in (one, two)]
    fresh = FileKeyring.open(path)
    assert [fresh.unwrap(each, b"") for each in wrapped] == [b"k" * 32] * 2


def test_derived_keys_differ_by_label_and_stay_when_epochs_roll(path: Path) -> None:
    ring = FileKeyring.create(path)
    first = ring.derive("pepper/acme")
    ring.roll()
    assert FileKeyring.open(path).derive("pepper/acme") == first
    assert ring.derive("pepper/other") != first
    assert len(ring.derive("pepper/acme", 64)) == 64
    assert ring.derive("pepper/acme", 64)[:32] == first


def test_derivation_is_hkdf_sha256_of_the_root(path: Path) -> None:
    ring = FileKeyring.create(path)
    root = base64.b64decode(str(content(path)["root"]))
    extracted = hmac.digest(b"\0" * 32, root, hashlib.sha256)
    assert ring.derive("label") == hmac.digest(extracted, b"label\x01", hashlib.sha256)
