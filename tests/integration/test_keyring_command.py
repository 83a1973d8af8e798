"""`consentledger keyring`: makes a keyring that services can open, and never overwrites one."""

from pathlib import Path

from typer.testing import CliRunner

from consentledger.cli.main import build
from consentledger.crypto.keyring import FileKeyring


def test_a_keyring_is_made_once_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "keyring.json"
    assert CliRunner().invoke(build(), ["keyring", str(file)]).exit_code == 0
    made = file.read_bytes()
    assert FileKeyring.open(file).current_epoch == 1
    assert CliRunner().invoke(build(), ["keyring", str(file)]).exit_code == 3
    assert file.read_bytes() == made
