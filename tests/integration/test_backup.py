"""`backup` and `restore` as commands: what is in a backup, what is not, and what is refused before anything changes."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from consentledger.rpc.channel import call
from consentledger.store.ledger import StoreUnavailable
from consentledger.store.postgres_dump import ToolMissing, _without_password, find
from consentledger.store.sqlite_copy import claimed
from consentledger.tlog.checkpoint import parse_checkpoint
from consentledger.tlog.note import VerifierKey, open_note
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import consent_service_pb2 as cs
from tests.support.consent import TENANT, email, request_id
from tests.support.installation import Installation, installation
from tests.support.installation import Kind as Store
from tests.support.nats import eventually
from tests.support.postgres import External

STORES: Sequence[Store] = ("sqlite", "postgresql")


@pytest.fixture
def server(request: pytest.FixtureRequest) -> External | None:
    """A PostgreSQL for those tests that run on one."""
    return request.getfixturevalue("postgres") if "postgresql" in request.node.name else None


async def backup(system: Installation, to: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return await system.command("backup", "--out", str(to), *more)


async def restore(system: Installation, source: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return await system.command("restore", "--from", str(source), *more)


def lose(system: Installation, server: External | None, *names: str) -> None:
    """The logs are gone."""
    if server is not None:
        server.drop(system.settings.store)
        server.run(f'CREATE DATABASE "{urlsplit(system.settings.store).path[1:]}" TEMPLATE template0')
        return
    for name in names or ("consent", "notifier", "rights"):
        for file in system.data.glob(f"{name}.db*"):
            file.unlink()


@pytest.mark.parametrize("store", STORES)
async def test_a_backup_of_everything_that_happened_is_restored_and_starts(
    tmp_path: Path, store: Store, server: External | None
) -> None:
    async with installation(store, tmp_path, server) as system:
        await system.stubs.load_marketing()
        await system.grant("ada")
        await system.withdraw("ada")
        answer: au.GetCheckpointResponse = await call(system.stubs.audit.GetCheckpoint, au.GetCheckpointRequest(), 10)
        to = tmp_path / "backup"
        done = await backup(system, to, "--json")
        assert done.returncode == 0, done.stderr
        made = {log["log"]: log for log in json.loads(done.stdout)["logs"]}
        assert list(made) == ["consent", "notifier", "rights"]
        key = VerifierKey.parse(answer.vkeys[-1])
        signed = parse_checkpoint(open_note(made["consent"]["checkpoint"].encode(), [key]).text)
        assert (signed.size, signed.root) == (answer.size, answer.root) == (made["consent"]["position"], signed.root)
        names = {path.name for path in to.iterdir()}
        logs = {"ledger.dump"} if server is not None else {"consent.db", "notifier.db", "rights.db"}
        assert names == logs | {"manifest.json"}, "neither keys nor keyring nor guard"
        assert b"ada@example.org" not in b"".join(path.read_bytes() for path in to.iterdir())
        await system.stop()
        lose(system, server)
        back = await restore(system, to)
        assert back.returncode == 0, back.stdout + back.stderr
        assert "start" in back.stdout
        await system.start()
        assert not await system.allowed("ada")
        await system.grant("bea")
        assert await system.allowed("bea")
        assert (await system.fsck())["clean"]


async def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    async with installation("sqlite", tmp_path, None) as system:
        to = tmp_path / "backup"
        assert (await backup(system, to)).returncode == 0
        again = await backup(system, to)
        assert again.returncode == 3 and "is not empty" in again.stderr
        running = await restore(system, to)
        assert running.returncode == 3 and "there is a" in running.stderr
        await system.stop()
        before = {path: path.read_bytes() for path in system.data.glob("*.db")}
        stopped = await restore(system, to)
        assert stopped.returncode == 3 and "move it away first" in stopped.stderr
        lose(system, None, "consent", "notifier")
        one_left = await restore(system, to)
        assert one_left.returncode == 3 and "rights.db" in one_left.stderr
        assert not (system.data / "consent.db").exists(), "nothing is put in place while one of them is there"
        lose(system, None)
        (system.data / "consent.db-wal").write_bytes(b"of another database")
        stray = await restore(system, to)
        assert stray.returncode == 3 and "consent.db-wal" in stray.stderr
        assert before[system.data / "keys.db"] == (system.data / "keys.db").read_bytes()


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda to: (to / "manifest.json").unlink(), "not a backup, or one that was cut off"),
        (lambda to: (to / "manifest.json").write_text("{}"), "cannot be read"),
        (lambda to: (to / "rights.db").unlink(), "rights.db is missing"),
        (lambda to: (to / "consent.db").open("r+b").write(b"x"), "consent.db is not what was written"),
    ],
    ids=["cut off", "no manifest", "a file is missing", "a file was changed"],
)
async def test_a_backup_that_is_not_whole_is_refused(tmp_path: Path, harm: object, why: str) -> None:
    async with installation("sqlite", tmp_path, None) as system:
        to = tmp_path / "backup"
        assert (await backup(system, to)).returncode == 0
        await system.stop()
        lose(system, None)
        assert callable(harm)
        harm(to)
        done = await restore(system, to)
        assert done.returncode == 3 and why in done.stderr, done.stderr
        assert not (system.data / "consent.db").exists()


async def test_the_key_store_is_in_a_backup_and_comes_back_only_when_that_is_asked_for(tmp_path: Path) -> None:
    """And an older one, which brings back keys of people erased since, is found out."""
    async with installation("sqlite", tmp_path, None) as system:
        await system.stubs.load_marketing()
        await system.grant("ada")
        plain, full = tmp_path / "plain", tmp_path / "full"
        assert (await backup(system, plain)).returncode == 0
        assert (await backup(system, full, "--with-keys")).returncode == 0
        assert (full / "keys.db").is_file() and not (plain / "keys.db").exists()
        await _erase(system, "ada")
        await system.stop()
        lacking = await restore(system, plain, "--with-keys")
        assert lacking.returncode == 3 and "holds no key store" in lacking.stderr
        for file in system.data.glob("keys.db*"):
            file.unlink()
        (system.data / "keys.db").write_bytes((full / "keys.db").read_bytes())
        found = await system.fsck()
        assert "key-left" in found["logs"][0]["differences"], "an erased person has a key again"


async def _erase(system: Installation, name: str) -> None:
    request = cs.EraseSubjectRequest(request_id=request_id(), tenant=TENANT, subject=email(name))
    started: cs.EraseSubjectResponse = await call(system.stubs.consent.EraseSubject, request, 10)
    asked = cs.GetErasureRequest(tenant=TENANT, erasure_id=started.erasure.erasure_id)

    async def done() -> bool:
        found: cs.GetErasureResponse = await call(system.stubs.consent.GetErasure, asked, 10)
        return found.erasure.state == cs.ERASURE_STATE_ERASED

    await eventually(done, 30)


async def test_a_log_that_is_behind_its_guard_is_not_backed_up(tmp_path: Path) -> None:
    async with installation("sqlite", tmp_path, None) as system:
        await system.stubs.load_marketing()
        await system.stop()
        older = (system.data / "consent.db").read_bytes()
        await system.start()
        await system.grant("ada")
        await system.stop()
        (system.data / "consent.db").write_bytes(older)
        done = await backup(system, tmp_path / "backup")
        assert done.returncode == 3 and "behind its checkpoint guard" in done.stderr
        assert not (tmp_path / "backup" / "manifest.json").exists()


async def test_restoring_waits_for_nobody_who_has_the_file_open(tmp_path: Path) -> None:
    path = tmp_path / "consent.db"
    with claimed(path), pytest.raises(StoreUnavailable, match="in use by another process"), claimed(path):
        pass


def test_a_password_is_never_on_a_command_line(tmp_path: Path) -> None:
    with _without_password("postgresql://me:se%3Acret@host:5432/db?sslmode=require") as url:
        parts = urlsplit(url)
        assert (parts.username, parts.password, parts.hostname, parts.port) == ("me", None, "host", 5432)
        query = dict(pair.split("=") for pair in parts.query.split("&"))
        assert query["sslmode"] == "require"
        secret = Path(query["passfile"].replace("%2F", "/"))
        assert secret.read_text() == "*:*:*:*:se\\:cret\n"
        assert secret.stat().st_mode & 0o077 == 0
    assert not secret.exists()


async def test_tools_that_do_not_fit_the_server_are_not_used(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="name its folder by --pg-bin"):
        await find("pg_dump", 10_000)
    with pytest.raises(ToolMissing):
        await find("pg_dump", 15, tmp_path)
