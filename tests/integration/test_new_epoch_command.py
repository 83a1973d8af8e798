"""`consentledger log new-epoch`: a database that lost signed events goes on openly, and nothing new is lost on the way.

The lost events stood where new ones come to stand: in the log, in the stream, and in the notifier's memory of both.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.channel import call
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import consent_service_pb2 as cs
from tests.support.consent import TENANT, email
from tests.support.downstreams import Downstreams
from tests.support.installation import EMAIL, Installation, installation
from tests.support.installation import Kind as Store
from tests.support.nats import eventually, nats_server
from tests.support.postgres import External
from tests.support.services import ROOT, refused

STORES: Sequence[Store] = ("sqlite", "postgresql")
REASON = "the disk was lost, and the newest backup was of the night before"


@pytest.fixture
def server(request: pytest.FixtureRequest) -> External | None:
    """A PostgreSQL for those tests that run on one."""
    return request.getfixturevalue("postgres") if "postgresql" in request.node.name else None


class Backup:
    """The logs as they were: of the consent service alone (a file), or of all (a database)."""

    def __init__(self, system: Installation, server: External | None, folder: Path) -> None:
        self._system = system
        self._server = server
        self._file = folder / "older.db"
        self._database = "older_" + urlsplit(system.settings.store).path[1:]

    def take(self) -> None:
        """Of a stopped installation."""
        self._copy(self._file, self._system.data / "consent.db", self._database, self._own)

    def put_back(self) -> None:
        """In the place of what is there."""
        if self._server is not None:
            self._server.drop(self._system.settings.store)
        self._copy(self._system.data / "consent.db", self._file, self._own, self._database)

    @property
    def _own(self) -> str:
        return urlsplit(self._system.settings.store).path[1:]

    def _copy(self, to: Path, source: Path, to_database: str, from_database: str) -> None:
        if self._server is not None:
            self._server.run(f'CREATE DATABASE "{to_database}" TEMPLATE "{from_database}"')
        else:
            shutil.copy(source, to)

    def drop(self) -> None:
        """It is needed no more."""
        if self._server is not None:
            self._server.run(f'DROP DATABASE IF EXISTS "{self._database}"')


async def checkpoint(system: Installation) -> au.GetCheckpointResponse:
    answer: au.GetCheckpointResponse = await call(system.stubs.audit.GetCheckpoint, au.GetCheckpointRequest(), 10)
    return answer


def verified(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What the offline verifier says."""
    command = [sys.executable, "-m", "consentledger_verify", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


async def told(downstreams: Downstreams, position: int) -> None:
    """Wait until the mailer has enforced what stands at the position, and the notifier knows."""

    async def enforced() -> bool:
        return bool(
            [o for o in await downstreams.obligations(downstream="mailer", ledger_position=position) if o.state == 4]
        )

    await eventually(enforced, 30)


@pytest.mark.parametrize("store", STORES)
async def test_after_a_loss_the_log_goes_on_openly_and_every_new_revocation_is_enforced(
    tmp_path: Path, store: Store, server: External | None
) -> None:
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(nats_server(kills=True)) if store == "postgresql" else None
        system = await stack.enter_async_context(installation(store, tmp_path, server, nats))
        downstreams = Downstreams(system.stubs.notifier)
        await downstreams.register()
        await system.stubs.load_marketing()
        for name in ("p1", "p2", "p3", "p4"):
            await system.grant(name)
        await system.withdraw("p1")
        kept = await checkpoint(system)
        receipt = await call(system.stubs.audit.GetReceipt, au.GetReceiptRequest(tenant=TENANT, position=kept.size), 10)
        await system.carried()
        await system.stop()
        backup = Backup(system, server, tmp_path)
        backup.take()
        stack.callback(backup.drop)

        await system.start()
        downstreams = Downstreams(system.stubs.notifier)
        await downstreams.start(system.login)
        stack.push_async_callback(downstreams.stop)
        await system.withdraw("p2")  # lost, where the new epoch will begin
        await system.withdraw("p3")  # lost, where p4's withdrawal will come to stand
        lost = await checkpoint(system)
        assert lost.size == kept.size + 2
        await told(downstreams, lost.size)
        await downstreams.stop()
        question = cs.CheckConsentRequest(tenant=TENANT, subject=email("p3"), purpose=EMAIL, jurisdiction="DE")
        token = (await call(system.stubs.consent.CheckConsent, question, 10)).consistency_token
        await system.carried()
        await system.stop()

        backup.put_back()
        code, said = await refused("--listen", "127.0.0.1:0", **system.environment)
        assert code == 1
        assert f"cannot start: {lost.size} events were signed, and the database holds {kept.size}" in said
        careless = await system.command("log", "new-epoch", "--reason", REASON)
        assert careless.returncode == 1 and "--yes" in careless.stderr
        logs = ("consent",) if store == "sqlite" else ("consent", "notifier")
        for log in logs:
            done = await system.command("log", "new-epoch", "--log", log, "--reason", REASON, "--yes")
            assert done.returncode == 0, done.stderr
        again = await system.command("log", "new-epoch", "--reason", REASON, "--yes")
        assert again.returncode == 3 and "is what its guard says" in again.stderr

        await system.start()
        downstreams = Downstreams(system.stubs.notifier)
        await downstreams.start(system.login)
        assert not await system.allowed("p1")
        assert await system.allowed("p3"), "its withdrawal is lost: that is what the new name says"
        question.consistency.at_least_as_fresh = token
        with pytest.raises(LedgerError) as refusal:
            await call(system.stubs.consent.CheckConsent, question, 10)
        assert refusal.value.reason is Reason.TOKEN_INVALID
        await system.withdraw("p4")
        new = await checkpoint(system)
        assert new.size == lost.size
        # p3's obligation stood there before, and is enforced; this is another one.
        mine = ("p4@example.org",)
        await eventually(lambda: (new.size, mine) in [(o.ledger_position, o.ids) for o in downstreams.mailer.got], 30)
        await system.carried()

        assert new.vkeys[0] == kept.vkeys[0] and len(new.vkeys) == 2
        await _verify(system, tmp_path, kept, lost, new, receipt)
        for command in (("rebuild",), ("fsck",)):
            done = await system.command(*command) if store == "postgresql" else None
            assert done is None or done.returncode == 0, done.stdout
        await downstreams.stop()
        await system.stop()
        found = await system.fsck()
        assert found["clean"], found


async def _verify(
    system: Installation,
    folder: Path,
    kept: au.GetCheckpointResponse,
    lost: au.GetCheckpointResponse,
    new: au.GetCheckpointResponse,
    receipt: Any,
) -> None:
    """What was kept verifies with the old key and in the new log; what was lost is found out."""
    assert system.process is not None
    export = folder / "export"
    done = await system.command("--server", system.process.address, "audit", "export", "--out", str(export))
    assert done.returncode == 0, done.stderr
    (folder / "kept").write_bytes(kept.checkpoint)
    (folder / "lost").write_bytes(lost.checkpoint)
    keys = [word for vkey in new.vkeys for word in ("--vkey", vkey)]
    fine = verified("export", str(export), *keys, "--pin", str(folder / "kept"))
    assert fine.returncode == 0, fine.stdout + fine.stderr
    dropped = verified("export", str(export), *keys, "--pin", str(folder / "lost"))
    assert dropped.returncode == 1, dropped.stdout
    (folder / "receipt").write_bytes(receipt.receipt.tlog_proof)
    (folder / "leaf").write_bytes(receipt.receipt.leaf)
    held = verified("receipt", str(folder / "receipt"), "--leaf", str(folder / "leaf"), "--vkey", kept.vkeys[0])
    assert held.returncode == 0, held.stdout + held.stderr
