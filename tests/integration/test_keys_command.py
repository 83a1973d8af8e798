"""`consentledger keys`, as an operator uses it, on SQLite and on PostgreSQL."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from consentledger.cli.main import build
from consentledger.crypto.keyring import FileKeyring
from consentledger.crypto.passphrase import PassphraseSealer
from tests.support.key_people import add_people, opening, remove_people, with_keystore
from tests.support.postgres import External
from tests.support.sealers import write_passphrase
from tests.support.vault import Transit, transit

N = 40


class Operator:
    """Runs commands on one keyring and one key store."""

    def __init__(self, ring: Path, keys: str) -> None:
        self.ring = ring
        self.keys = keys
        self.said = ""

    def __call__(self, *words: str, code: int = 0, keys: str | None = None, **settings: str) -> str:
        """Run `consentledger keys …`; what it said, which ends with this code."""
        where = {"CONSENTLEDGER_KEYRING": str(self.ring), "CONSENTLEDGER_KEYS": keys or self.keys, **settings}
        done: Result = CliRunner().invoke(build(), ["keys", *words], env=where)
        self.said += done.output
        assert done.exit_code == code, done.output
        return done.stdout or done.stderr

    def status(self, code: int = 0) -> dict[int, int]:
        """Keys under each epoch."""
        return {one["epoch"]: one["keys"] for one in json.loads(self("status", "--json", code=code))["epochs"]}


@pytest.fixture
def keys(store_url: str, tmp_path: Path) -> Operator:
    operator = Operator(tmp_path / "ring" / "keyring.json", store_url)
    operator("create", str(operator.ring))
    return operator


@pytest.fixture
def people(keys: Operator) -> list[bytes]:
    return add_people(keys.keys, FileKeyring.open(keys.ring), N)


def test_a_keyring_is_made_once_and_never_overwritten(tmp_path: Path) -> None:
    keys = Operator(tmp_path / "deep" / "keyring.json", "")
    assert keys("create", str(keys.ring)) == "made\n"
    made = keys.ring.read_bytes()
    assert FileKeyring.open(keys.ring).epochs == [1]
    assert "exists" in keys("create", str(keys.ring), code=3)
    assert keys.ring.read_bytes() == made


def test_an_epoch_is_rolled_its_keys_are_wrapped_anew_and_it_is_destroyed(keys: Operator, people: list[bytes]) -> None:
    assert keys.status() == {1: N}
    assert keys("roll") == "epoch 2 is current\n"
    people += add_people(keys.keys, FileKeyring.open(keys.ring), 3)
    assert keys.status() == {1: N, 2: 3}
    assert f"or an older one: {N};" in keys("destroy-epoch", "1", "--yes", code=1)
    assert json.loads(keys("rewrap", "--json")) == {"epoch": 2, "keys": N + 3, "rewrapped": N, "lost": 0}
    assert keys("rewrap") == f"wrapped anew under epoch 2: 0 of {N + 3}\n"
    assert keys.status() == {1: 0, 2: N + 3}
    assert opening(keys.keys, FileKeyring.open(keys.ring), people) == N + 3
    for _ in range(2):
        assert "epoch 1 is destroyed" in keys("destroy-epoch", "1", "--yes")
    ring = FileKeyring.open(keys.ring)
    assert ring.epochs == [2] and keys.status() == {2: N + 3}
    assert opening(keys.keys, ring, people) == N + 3


def test_an_epoch_is_not_destroyed_without_yes_nor_when_it_is_current_or_none(
    keys: Operator, people: list[bytes]
) -> None:
    keys("roll")
    keys("rewrap")
    before = keys.ring.read_bytes()
    assert "Say --yes" in keys("destroy-epoch", "1", code=1)
    assert "current" in keys("destroy-epoch", "2", "--yes", code=1)
    for none in ("3", "0"):
        assert "there is no epoch" in keys("destroy-epoch", none, "--yes", code=1)
    keys("destroy-epoch", "one", "--yes", code=2)
    assert keys.ring.read_bytes() == before


def test_an_epoch_is_not_destroyed_by_what_another_key_store_holds(
    keys: Operator, people: list[bytes], tmp_path: Path
) -> None:
    others = f"sqlite:///{tmp_path / 'other' / 'keys.db'}"
    keys("roll")
    before = keys.ring.read_bytes()
    assert "holds no key" in keys("destroy-epoch", "1", "--yes", code=1, keys=others)
    foreign = FileKeyring.create(tmp_path / "other" / "keyring.json")
    foreign.roll()
    add_people(others, foreign, 2)
    assert "do not open with this keyring: 2;" in keys("destroy-epoch", "1", "--yes", code=1, keys=others)
    assert keys.ring.read_bytes() == before
    assert opening(keys.keys, FileKeyring.open(keys.ring), people) == N


def test_keys_that_nothing_opens_are_counted_and_reported(keys: Operator, people: list[bytes]) -> None:
    keys("roll")
    FileKeyring.open(keys.ring).destroy(1)  # what the command would refuse
    assert keys.status(code=1) == {1: N, 2: 0}
    assert f"epoch 1 (not in the keyring: lost), keys: {N}" in keys("status", code=1)
    keys("rewrap", code=1)
    assert f"do not open, left as they are: {N}" in keys.said


def test_a_key_store_that_is_in_use_or_too_old_is_told(tmp_path: Path, postgres_url: str) -> None:
    keys = Operator(tmp_path / "keyring.json", f"sqlite:///{tmp_path / 'keys.db'}")
    keys("create", str(keys.ring))

    async def meanwhile(store: object) -> str:
        return await asyncio.to_thread(keys, "status", code=3)

    assert "in use by another process" in with_keystore(keys.keys, meanwhile)
    assert "run the migration command" in keys("status", code=3, keys=postgres_url)
    assert "begins with sqlite" in keys("status", code=3, keys="mysql://there")
    keys.ring.chmod(0o644)
    assert "chmod 600" in keys("roll", code=3)


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[Transit]:
    with transit() as engine:
        engine.make("ring")
        monkeypatch.setenv("VAULT_ADDR", engine.settings.address)
        monkeypatch.setenv("VAULT_TOKEN", engine.settings.token)
        yield engine


def test_a_keyring_is_sealed_by_vault_and_its_older_copies_are_retired(
    keys: Operator, people: list[bytes], vault: Transit, tmp_path: Path
) -> None:
    sealer = {"CONSENTLEDGER_KEYRING_SEALER": "vault:transit/ring"}
    root = json.loads(keys.ring.read_text())["root"]
    assert "Say --yes" in keys("retire", code=1)
    assert "no versions" in keys("retire", "--yes", code=1)
    assert "sealed by vault:transit/ring" in keys("reseal", "--to", "vault:transit/ring")
    assert root not in keys.ring.read_text()
    assert "name that in CONSENTLEDGER_KEYRING_SEALER" in keys("status", code=3)
    keys("roll", **sealer)
    keys("rewrap", **sealer)
    copy = Operator(tmp_path / "copy.json", keys.keys)
    copy.ring.write_bytes(keys.ring.read_bytes())
    copy.ring.chmod(0o600)
    keys("destroy-epoch", "1", "--yes", **sealer)
    assert json.loads(copy("status", "--json", **sealer))["epochs"][0]["epoch"] == 1, "a copy still holds it"
    keys("retire", "--yes", **sealer)
    assert "retired" in copy("status", code=3, **sealer)
    assert json.loads(keys("status", "--json", **sealer))["sealer"] == "vault:transit/ring"
    assert root not in keys.said and vault.settings.token not in keys.said


def test_a_passphrase_seals_from_the_start_and_is_changed(tmp_path: Path) -> None:
    for name in ("old", "new"):
        write_passphrase(tmp_path / name, f"the {name} passphrase")
    keys = Operator(tmp_path / "keyring.json", f"sqlite:///{tmp_path / 'keys.db'}")
    old, new = (f"passphrase-file:{tmp_path / name}" for name in ("old", "new"))
    assert keys("create", str(keys.ring), "--sealer", old) == "made, sealed by passphrase-file\n"
    keys("reseal", "--sealer", old, "--to", new)
    assert "not the right one" in keys("roll", "--sealer", old, code=3)
    keys("roll", "--sealer", new)
    assert FileKeyring.open(keys.ring, PassphraseSealer(tmp_path / "new")).epochs == [1, 2]
    keys("reseal", "--sealer", new, "--to", "plain")
    assert FileKeyring.open(keys.ring).epochs == [1, 2]
    assert "a sealer is" in keys("roll", "--sealer", "the new passphrase", code=3)
    assert "the new passphrase" not in keys.said and "the old passphrase" not in keys.said


@pytest.fixture(params=["sqlite", "postgresql"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """(a key store, where its backup goes)."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'keys.db'}", f"sqlite:///{tmp_path / 'backup.db'}"
        return
    postgres: External = request.getfixturevalue("postgres")
    urls = postgres.database(), postgres.database()
    yield urls
    for url in urls:
        postgres.drop(url)


def back_up(request: pytest.FixtureRequest, source: str, target: str) -> None:
    """A copy of a key store that nobody has open."""
    if source.startswith("sqlite:///"):
        paths = [Path(url.removeprefix("sqlite:///")) for url in (source, target)]
        paths[1].write_bytes(paths[0].read_bytes())
        return
    postgres: External = request.getfixturevalue("postgres")
    names = [url.rpartition("/")[2] for url in (source, target)]
    postgres.drop(target)
    postgres.run(f'CREATE DATABASE "{names[1]}" TEMPLATE "{names[0]}"')


def test_after_an_epoch_ended_no_older_backup_of_the_key_store_opens(
    request: pytest.FixtureRequest, places: tuple[str, str], tmp_path: Path
) -> None:
    store, backup = places
    keys = Operator(tmp_path / "ring" / "keyring.json", store)
    keys("create", str(keys.ring))
    people = add_people(store, FileKeyring.open(keys.ring), N)
    back_up(request, store, backup)
    live, erased = people[: N // 2], people[N // 2 :]
    remove_people(store, erased)
    keys("roll")
    keys("rewrap")

    def opened(url: str) -> tuple[int, int]:
        ring = FileKeyring.open(keys.ring)
        return opening(url, ring, live), opening(url, ring, erased)

    # The control: until the epoch is destroyed, the backup brings back everybody.
    assert (opened(store), opened(backup)) == ((N // 2, 0), (N // 2, N // 2))
    keys("destroy-epoch", "1", "--yes")
    assert (opened(store), opened(backup)) == ((N // 2, 0), (0, 0))
