"""A passphrase: what file it may be in, what counts of it, and bytes that never change."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from consentledger.crypto import passphrase
from consentledger.crypto.keyring import FileKeyring, KeyringUnusable
from consentledger.crypto.passphrase import PassphraseSealer
from consentledger.crypto.sealer import CannotUnseal, SealerUnavailable
from tests.support.sealers import write_passphrase


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the usual cost each passphrase takes half a second."""
    monkeypatch.setattr(passphrase, "HEAD", bytes((1, 10, 8, 1)))


def test_the_format_on_disk_never_changes(tmp_path: Path) -> None:
    write_passphrase(tmp_path / "file", "correct horse battery staple")
    head, nonce = b"\x01\x11\x08\x01" + b"s" * 16, b"n" * 12
    key = Scrypt(salt=b"s" * 16, length=32, n=131_072, r=8, p=1).derive(b"correct horse battery staple")
    assert key.hex() == "64eb9de8bd83015ed6f1cc47623b16ffa8b65ba9d35b6477ea3ab69f18e73e3a"
    sealed = head + nonce + AESGCM(key).encrypt(nonce, b"plain", head + b"aad")
    assert PassphraseSealer(tmp_path / "file").unseal(sealed, b"aad") == b"plain"


def test_a_cost_that_somebody_else_chose_is_not_paid(tmp_path: Path) -> None:
    write_passphrase(tmp_path / "file", "correct horse battery staple")
    for head in (b"\x01\x1f\x08\x01", b"\x01\x01\x08\x01", b"\x02\x11\x08\x01"):
        with pytest.raises(CannotUnseal, match="format"):
            PassphraseSealer(tmp_path / "file").unseal(head + b"x" * 100, b"aad")


def test_line_breaks_at_the_end_do_not_count_and_all_else_does(tmp_path: Path, cheap: None) -> None:
    file = tmp_path / "file"
    write_passphrase(file, "correct horse battery")
    sealed = PassphraseSealer(file).seal(b"plain", b"aad")
    for same in ("correct horse battery", "correct horse battery\r\n"):
        file.write_text(same)
        assert PassphraseSealer(file).unseal(sealed, b"aad") == b"plain"
    for other in ("correct horse battery ", " correct horse battery", "Correct horse battery"):
        file.write_text(other)
        with pytest.raises(CannotUnseal):
            PassphraseSealer(file).unseal(sealed, b"aad")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o777])
def test_a_passphrase_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    write_passphrase(tmp_path / "file", "correct horse battery")
    (tmp_path / "file").chmod(mode)
    with pytest.raises(SealerUnavailable, match="chmod 600"):
        PassphraseSealer(tmp_path / "file").seal(b"plain", b"aad")


@pytest.mark.parametrize("short", ["", "\n", "elevenchars"])
def test_a_short_passphrase_is_refused_and_not_told(tmp_path: Path, short: str) -> None:
    write_passphrase(tmp_path / "file", short)
    with pytest.raises(SealerUnavailable) as refusal:
        PassphraseSealer(tmp_path / "file").seal(b"plain", b"aad")
    assert "shorter than 12" in str(refusal.value) and "eleven" not in str(refusal.value)


def test_a_keyring_that_changes_under_a_service_opens_without_deriving_again(tmp_path: Path, cheap: None) -> None:
    file, path = tmp_path / "file", tmp_path / "keyring.json"
    write_passphrase(file, "correct horse battery")
    here = FileKeyring.create(path, PassphraseSealer(file))
    there = FileKeyring.open(path, PassphraseSealer(file))
    there.roll()
    file.unlink()
    assert here.unwrap(there.wrap(b"k" * 32, b""), b"") == b"k" * 32


def test_a_passphrase_changes_by_sealing_under_another(tmp_path: Path, cheap: None) -> None:
    old, new, path = tmp_path / "old", tmp_path / "new", tmp_path / "keyring.json"
    write_passphrase(old, "correct horse battery")
    write_passphrase(new, "another passphrase")
    ring = FileKeyring.create(path, PassphraseSealer(old))
    wrapped = ring.wrap(b"k" * 32, b"")
    ring.reseal(PassphraseSealer(new))
    assert FileKeyring.open(path, PassphraseSealer(new)).unwrap(wrapped, b"") == b"k" * 32
    with pytest.raises(KeyringUnusable, match="passphrase is not the right one"):
        FileKeyring.open(path, PassphraseSealer(old))
