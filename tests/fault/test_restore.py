"""The restore drill, on both stores: everything but key store, keyring and guard is lost, and what comes back is whole.

Recorded, backed up while it runs, went on: grants, withdrawals, one person erased. Then the logs are destroyed.

- The backup alone is refused, because the guard knows more. The control: with a guard that knows nothing of it, the
  same database starts, and answers ALLOWED to somebody who has withdrawn.
- With an export it becomes what was signed: withdrawn stays withdrawn, erased stays erased, every proof holds.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.channel import call
from consentledger.store.fsck.log import names_of
from consentledger.store.guard import Guarded
from consentledger.store.open import open_guard
from consentledger.store.reader import open_reader
from consentledger.store.schema import log_schema
from consentledger.tlog.hashing import EMPTY_ROOT
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import consent_service_pb2 as cs
from services.embedded import ALL, guard_url, store_url
from tests.support.consent import TENANT, email, request_id
from tests.support.downstreams import Downstreams
from tests.support.installation import Installation, installation
from tests.support.installation import Kind as Store
from tests.support.nats import eventually, nats_server
from tests.support.postgres import External
from tests.support.services import refused
from tests.support.split import nats_url

pytestmark = pytest.mark.fault
STORES: Sequence[Store] = ("sqlite", "postgresql")


@pytest.fixture
def server(request: pytest.FixtureRequest) -> External | None:
    """A PostgreSQL for those tests that run on one."""
    return request.getfixturevalue("postgres") if "postgresql" in request.node.name else None


@dataclass
class Lost:
    """An installation that worked, and then lost its logs."""

    system: Installation
    folder: Path
    signed: dict[str, int]
    """How many events of each log were signed."""
    checkpoint: bytes
    """The last one of the consent log."""
    obligations: set[str]
    """Those of the mailer."""

    @property
    def backup(self) -> Path:
        return self.folder / "backup"

    def export(self, log: str) -> str:
        return str(self.folder / f"{log}.export")


async def erase(system: Installation, name: str) -> None:
    """Erase somebody, to the end; one of the recipients is paused, and waited for a moment."""
    request = cs.EraseSubjectRequest(
        request_id=request_id(), tenant=TENANT, subject=email(name), recipients_within_seconds=1
    )
    started: cs.EraseSubjectResponse = await call(system.stubs.consent.EraseSubject, request, 10)
    asked = cs.GetErasureRequest(tenant=TENANT, erasure_id=started.erasure.erasure_id)

    async def done() -> bool:
        found: cs.GetErasureResponse = await call(system.stubs.consent.GetErasure, asked, 10)
        return found.erasure.state == cs.ERASURE_STATE_ERASED

    await eventually(done, 60)


async def checkpoint(system: Installation) -> bytes:
    """The newest of the consent log."""
    answer: au.GetCheckpointResponse = await call(system.stubs.audit.GetCheckpoint, au.GetCheckpointRequest(), 10)
    return answer.checkpoint


async def ran(system: Installation, *arguments: str) -> str:
    """A command that must succeed."""
    done = await system.command(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def settled(downstreams: Downstreams, position: int) -> set[str]:
    """Wait until the mailer has enforced all there is up to a position; its obligations."""

    async def all_enforced() -> bool:
        mine = await downstreams.obligations(downstream="mailer")
        return bool(mine) and mine[-1].ledger_position >= position and {o.state for o in mine} == {4}

    await eventually(all_enforced, 60)
    return {o.id for o in await downstreams.obligations(downstream="mailer")}


@asynccontextmanager
async def destroyed(store: Store, folder: Path, server: External | None) -> AsyncIterator[Lost]:
    """See the module."""
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(nats_server(kills=True)) if store == "postgresql" else None
        system = await stack.enter_async_context(installation(store, folder, server, nats))
        downstreams = Downstreams(system.stubs.notifier)
        await downstreams.register()
        await downstreams.start(system.login)
        stack.push_async_callback(downstreams.stop)
        await system.stubs.load_marketing()
        await system.grant_many([f"p{n}" for n in range(60)])
        await system.withdraw("p1")
        await _back_up(system, folder / "backup")

        for name in ("p2", "p3"):
            await system.withdraw(name)
        await system.grant("p1")
        await system.withdraw("p1")
        await system.grant("new")
        await erase(system, "p4")
        last = await system.size()
        obligations = await settled(downstreams, last - 1)
        await downstreams.stop()
        assert system.process is not None
        lost = Lost(system, folder, {}, b"", obligations)
        for log in ("consent", "notifier"):
            export = ("audit", "export", "--log", log, "--ciphertexts", "--out", lost.export(log))
            await ran(system, "--server", system.process.address, *export)
            lost.signed[log] = await system.size(log)
        lost.checkpoint = await checkpoint(system)
        await system.stop()

        if server is not None:
            server.drop(system.settings.store)
            server.run(f'CREATE DATABASE "{urlsplit(system.settings.store).path[1:]}" TEMPLATE template0')
        else:
            for log in ("consent", "notifier", "rights"):
                for file in system.data.glob(f"{log}.db*"):
                    file.unlink()
        yield lost


async def _back_up(system: Installation, to: Path) -> None:
    """While writing goes on."""
    done, before = asyncio.Event(), await system.size()

    async def write(writer: int) -> None:
        number = 0
        while not done.is_set():
            await system.grant(f"w{writer}-{number}")
            number += 1

    writing = [asyncio.create_task(write(writer)) for writer in range(4)]
    try:
        made = json.loads(await ran(system, "backup", "--out", str(to), "--json"))
        held = {log["log"]: log["position"] for log in made["logs"]}
        assert before < held["consent"] < await system.size()
    finally:
        done.set()
        await asyncio.gather(*writing)


@pytest.mark.parametrize("store", STORES)
async def test_a_restored_backup_is_refused_until_an_export_has_made_it_whole(
    tmp_path: Path, store: Store, server: External | None
) -> None:
    async with destroyed(store, tmp_path, server) as lost:
        system = lost.system
        restored = await system.command("restore", "--from", str(lost.backup), "--json")
        assert restored.returncode == 1, restored.stderr
        found = {log["log"]: log for log in json.loads(restored.stdout)}
        held = {log: found[log]["position"] for log in lost.signed}
        assert {log: found[log]["guarded"] for log in lost.signed} == lost.signed
        assert all(held[log] < lost.signed[log] and found[log]["behind"] for log in lost.signed)
        code, said = await refused("--listen", "127.0.0.1:0", **system.environment)
        assert code == 1
        assert f"cannot start: {lost.signed['consent']} events were signed, and the database holds" in said
        assert "Traceback" not in said

        await _control(lost, server)

        for log in ("consent", "notifier"):
            told = await ran(system, "resync", "--from", lost.export(log))
            assert f"{lost.signed[log]} of {lost.signed[log]} that were signed are there" in told
        sound = await system.fsck()
        assert sound["clean"], sound
        await system.start()
        assert await system.size() == lost.signed["consent"]
        assert await checkpoint(system) == lost.checkpoint
        assert not any([await system.allowed(name) for name in ("p1", "p2", "p3", "p4")])
        assert all([await system.allowed(name) for name in ("p5", "w0-0", "new")])
        with pytest.raises(LedgerError) as gone:
            history = au.GetSubjectHistoryRequest(tenant=TENANT, subject=email("p4"))
            await call(system.stubs.audit.GetSubjectHistory, history, 10)
        assert gone.value.reason is Reason.SUBJECT_UNKNOWN
        await _goes_on(lost)


async def _control(lost: Lost, server: External | None) -> None:
    """The same database with a guard that knows nothing of it: it would have started, and answered wrongly."""
    system = lost.system
    folder = lost.folder / "control"
    shutil.copytree(system.data, folder)
    shutil.rmtree(folder / "guard")
    moved = {"data": str(folder)}
    if server is not None:
        copy = server.database()
        server.drop(copy)
        server.run(f'CREATE DATABASE "{copy.rsplit("/", 1)[1]}" TEMPLATE "{system.settings.store.rsplit("/", 1)[1]}"')
        moved |= {"store": copy, "guard": f"file://{folder / 'guard'}"}
    async with AsyncExitStack() as stack:
        if server is not None:
            nats = await stack.enter_async_context(nats_server(kills=True))
            moved["nats"] = nats_url(nats)
            stack.callback(server.drop, moved["store"])
        control = Installation(replace(system.settings, **moved))  # type: ignore[arg-type]
        code, said = await refused("--listen", "127.0.0.1:0", **control.environment)
        assert code == 1 and "knows nothing of this log" in said, "a guard that is lost guards, too"
        await _forge_guard(control)
        try:
            await control.start()
            assert await control.allowed("p2"), "acknowledged as withdrawn, and allowed again"
            assert await checkpoint(control) != lost.checkpoint
        finally:
            await control.end()


async def _forge_guard(control: Installation) -> None:
    """A guard at the beginning of each log, as a new installation has it."""
    guard = await open_guard(guard_url(control.settings))
    for name in ALL:
        reader = await open_reader(store_url(control.settings, name), log_schema(name, ()), snapshot=False)
        for origin, _ in await names_of(reader):
            await guard.advance(origin, Guarded(0, EMPTY_ROOT))
        await reader.close()
    await guard.close()


async def _goes_on(lost: Lost) -> None:
    """New revocations reach the mailer; nothing that was enforced is a new obligation."""
    system = lost.system
    downstreams = Downstreams(system.stubs.notifier)
    await downstreams.start(system.login)
    try:
        await system.withdraw("p5")
        now = await settled(downstreams, await system.size())
        assert lost.obligations < now and len(now) == len(lost.obligations) + 1
        await system.carried()
    finally:
        await downstreams.stop()
    await system.stop()
    sound = await system.fsck()
    assert sound["clean"], sound
