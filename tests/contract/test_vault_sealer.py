"""The keyring on Vault's transit engine when calls are lost, refused or never answered. The engine is
tests/support/vault.py; what every sealer keeps is in test_sealers.py."""

import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consentledger.crypto import keyring
from consentledger.crypto.keyring import FileKeyring, KeyringUnusable
from consentledger.crypto.kms import KmsSealer
from consentledger.crypto.provider import ProviderUnreachable
from consentledger.crypto.sealer import SealerUnavailable
from consentledger.crypto.sealing import NoSuchSealer, sealer_named
from consentledger.crypto.vault import VaultSealer
from consentledger.settings import VaultSettings, vault_settings
from tests.support.vault import Transit, transit

CHANGES: dict[str, Callable[[FileKeyring], object]] = {
    "roll": lambda ring: ring.roll(),
    "destroy": lambda ring: ring.destroy(1),
    "reseal": lambda ring: ring.reseal(ring._file.sealer),
}


@pytest.fixture
def vault() -> Iterator[Transit]:
    with transit() as engine:
        engine.make("ring")
        yield engine


@pytest.fixture
def ring(vault: Transit, tmp_path: Path) -> FileKeyring:
    made = FileKeyring.create(tmp_path / "keyring.json", sealer(vault))
    made.roll()
    return made


def sealer(vault: Transit) -> VaultSealer:
    return VaultSealer("transit", "ring", vault.settings)


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize(
    ("change", "call"),
    [("roll", "encrypt/ring"), ("destroy", "/rotate"), ("destroy", "encrypt/ring"), ("reseal", "/rotate")],
)
def test_a_change_that_vault_did_not_confirm_leaves_the_keyring_as_it_was(
    vault: Transit, ring: FileKeyring, tmp_path: Path, change: str, call: str, applied: bool
) -> None:
    before = (tmp_path / "keyring.json").read_bytes()
    vault.lose(call, applied=applied)
    with pytest.raises(KeyringUnusable, match="ConnectionError"):
        CHANGES[change](ring)
    assert (tmp_path / "keyring.json").read_bytes() == before
    assert FileKeyring.open(tmp_path / "keyring.json", sealer(vault)).epochs == [1, 2]
    CHANGES[change](ring)
    changed = FileKeyring.open(tmp_path / "keyring.json", sealer(vault))
    assert changed.epochs == {"roll": [1, 2, 3], "destroy": [2], "reseal": [1, 2]}[change]


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("call", ["/config", "/trim", "keys/ring"])
def test_retiring_that_vault_did_not_confirm_is_done_by_repeating_it(
    vault: Transit, ring: FileKeyring, tmp_path: Path, call: str, applied: bool
) -> None:
    path, copy = tmp_path / "keyring.json", tmp_path / "copy.json"
    shutil.copy(path, copy)
    ring.destroy(1)
    vault.lose(call, applied=applied)
    with pytest.raises(KeyringUnusable, match="do it again"):
        ring.retire()
    assert FileKeyring.open(path, sealer(vault)).epochs == [2]
    ring.retire()
    assert FileKeyring.open(path, sealer(vault)).epochs == [2]
    with pytest.raises(KeyringUnusable, match="retired"):
        FileKeyring.open(copy, sealer(vault))
    assert list(vault.keys["ring"].versions) == [2], "the older version is gone at the engine itself"


def test_retiring_never_takes_back_what_was_retired_further(vault: Transit, ring: FileKeyring, tmp_path: Path) -> None:
    older = ring._file.sealed()
    ring.destroy(1)
    ring.retire()
    ring._file.sealer.retire(older)  # type: ignore[union-attr]
    assert vault.keys["ring"].least_decryption == vault.keys["ring"].least_available == 2


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"token": "s.wrong-token"}, "Forbidden"),
        ({"address": "http://vault.example:8200"}, "https://"),
        ({"address": "vault"}, "https://"),
        ({"token_file": "nowhere"}, "token cannot be read"),
    ],
)
def test_a_vault_that_does_not_let_us_in_is_told_without_the_token(
    vault: Transit, ring: FileKeyring, tmp_path: Path, wrong: dict[str, str], told: str
) -> None:
    settings = replace(vault.settings, **wrong)
    with pytest.raises(KeyringUnusable, match=told) as refusal:
        FileKeyring.open(tmp_path / "keyring.json", VaultSealer("transit", "ring", settings))
    for secret in (settings.token, vault.settings.token):
        assert secret not in str(refusal.value) and secret not in repr(settings)


def test_a_key_or_a_mount_that_is_not_there_is_told(vault: Transit) -> None:
    for mount, key in (("transit", "none"), ("nowhere", "ring")):
        with pytest.raises(SealerUnavailable, match="Vault refused"):
            VaultSealer(mount, key, vault.settings).seal(b"plain", b"aad")


def test_a_token_in_a_file_is_read_at_every_call(vault: Transit, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s.of-yesterday\n")
    sealer = VaultSealer("transit", "ring", replace(vault.settings, token="", token_file=str(file)))
    with pytest.raises(SealerUnavailable, match="Forbidden"):
        sealer.seal(b"plain", b"aad")
    file.write_text(f"{vault.settings.token}\n")
    assert sealer.unseal(sealer.seal(b"plain", b"aad"), b"aad") == b"plain"


def test_no_token_is_looked_for_where_none_was_named(
    vault: Transit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", vault.settings.token)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".vault-token").write_text(vault.settings.token)
    with pytest.raises(SealerUnavailable, match="Forbidden"):
        VaultSealer("transit", "ring", replace(vault.settings, token="")).seal(b"plain", b"aad")


def test_vault_is_found_as_its_own_tools_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "VAULT_ADDR": "https://vault.example:8200", "VAULT_TOKEN": "s.token", "VAULT_NAMESPACE": "a-team",
        "VAULT_CACERT": "/ca.pem", "CONSENTLEDGER_VAULT_TOKEN_FILE": "/token",
    }  # fmt: skip
    for name in variables:
        monkeypatch.delenv(name, raising=False)
    assert vault_settings() == VaultSettings(address="https://127.0.0.1:8200")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert vault_settings() == VaultSettings(
        address="https://vault.example:8200",
        token="s.token",
        token_file="/token",
        namespace="a-team",
        ca_file="/ca.pem",
    )


def test_services_go_on_while_vault_is_down_and_wrap_again_when_it_is_back(
    vault: Transit, ring: FileKeyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "RETRY_SECONDS", 0.0)
    there = FileKeyring.open(tmp_path / "keyring.json", sealer(vault))
    known = ring.wrap(b"k" * 32, b"")
    there.roll()
    newer = there.wrap(b"k" * 32, b"")
    vault.sealed = True
    assert ring.unwrap(known, b"") == b"k" * 32
    for use in (lambda: ring.wrap(b"k" * 32, b""), lambda: ring.unwrap(newer, b"")):
        with pytest.raises(ProviderUnreachable, match="VaultDown"):
            use()
    vault.sealed = False
    assert ring.unwrap(newer, b"") == b"k" * 32
    assert ring.wrap(b"k" * 32, b"")[4] == 3


def test_vault_is_asked_when_the_keyring_changes_and_not_for_each_key(
    vault: Transit, ring: FileKeyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = FileKeyring.open(tmp_path / "keyring.json", sealer(vault))
    there.roll()
    vault.asked.clear()
    for _ in range(100):
        ring.unwrap(ring.wrap(b"k" * 32, b""), b"")
    assert vault.asked == ["POST /v1/transit/decrypt/ring"]
    there.roll()
    vault.sealed = True
    vault.asked.clear()
    for _ in range(100):
        with pytest.raises(ProviderUnreachable):
            ring.wrap(b"k" * 32, b"")
    assert len(vault.asked) == 1, "a failure counts for a while"


def test_a_vault_that_never_answers_is_waited_for_once_and_not_for_long(
    vault: Transit, ring: FileKeyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "PATIENCE_SECONDS", 0.2)
    FileKeyring.open(tmp_path / "keyring.json", sealer(vault)).roll()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ring._file.sealer = VaultSealer("transit", "ring", replace(vault.settings, address=address))
        began = time.monotonic()
        for _ in range(50):
            with pytest.raises(ProviderUnreachable, match="still being unsealed"):
                ring.wrap(b"k" * 32, b"")
        assert time.monotonic() - began < 2.0


@pytest.mark.parametrize(
    ("module", "setting", "extra"),
    [
        ("hvac", "vault:transit/ring", "vault"),
        ("tink", "tink:aws-kms://arn:aws:kms:eu-central-1:0:key/0", "aws-kms"),
        ("google.cloud", "tink:gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k", "gcp-kms"),
    ],
)
def test_an_extra_that_is_not_installed_is_named(
    module: str, setting: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    found = sealer_named(setting, VaultSettings())
    assert found is not None and found.name == setting
    with pytest.raises(SealerUnavailable, match=rf"consentledger\[{extra}\]"):
        found.seal(b"plain", b"aad")


def test_a_uri_that_no_kms_is_known_for_is_told() -> None:
    with pytest.raises(SealerUnavailable):
        KmsSealer("aws-kms://not-an-arn").seal(b"plain", b"aad")


@pytest.mark.parametrize(
    "wrong", ["vault", "vault:ring", "vault:/ring", "passphrase-file:", "tink:key", "correct horse"]
)
def test_a_setting_that_names_no_sealer_is_refused_and_not_repeated(wrong: str) -> None:
    with pytest.raises(NoSuchSealer) as refusal:
        sealer_named(wrong, VaultSettings())
    assert "correct horse" not in str(refusal.value)
    assert sealer_named("", VaultSettings()) is sealer_named("plain", VaultSettings()) is None
