"""The operator's commands, as commands: `migrate`, `rebuild`, `bus status`, `bus rebuild`."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from consentledger.bus.streams import stream_state
from consentledger.rpc.channel import call
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from tests.support.consent import NOTICE, TENANT, email, request_id
from tests.support.downstreams import Downstreams, Login
from tests.support.nats import eventually
from tests.support.people import People
from tests.support.postgres import External
from tests.support.revoked import due, revocations
from tests.support.services import command, refused, services
from tests.support.split import Split, Stubs, split

VERSIONS = "SELECT service, component, number, name FROM {}.schema_version ORDER BY 1, 2, 3"
STREAMS = ["LEDGER", "LEDGER_NOTIFIER", "ENFORCE", "LEDGER_RIGHTS"]
SCHEMAS = ("consent", "notifier", "rights")


async def test_migrating_twice_and_four_at_once_ends_as_migrating_once_does(postgres: External) -> None:
    urls = [postgres.database() for _ in range(4)]
    try:
        (one, its_keys), (many, their_keys) = urls[:2], urls[2:]
        for _ in range(2):
            done = await command("migrate", "--store", one, "--keys", its_keys)
            assert (done.returncode, done.stdout) == (0, "up to date\n"), done.stderr
        at_once = await asyncio.gather(*(command("migrate", "--store", many, "--keys", their_keys) for _ in range(4)))
        assert [(done.returncode, done.stdout) for done in at_once] == [(0, "up to date\n")] * 4
        for schema in SCHEMAS:
            applied = postgres.run(VERSIONS.format(schema), url=one)
            assert applied and applied == postgres.run(VERSIONS.format(schema), url=many)
        assert postgres.run(VERSIONS.format("keys"), url=its_keys) == postgres.run(
            VERSIONS.format("keys"), url=their_keys
        )
    finally:
        for url in urls:
            postgres.drop(url)


async def test_a_service_refuses_an_older_schema_until_it_is_migrated(tmp_path: Path, postgres: External) -> None:
    async with split(tmp_path, postgres) as system:
        await system.notifier.kill()
        # As a version left it that did not have this table yet.
        postgres.run("DROP TABLE notifier.outbox_mark", url=system.store)
        postgres.run("DELETE FROM notifier.schema_version WHERE component = 'base' AND number = 2", url=system.store)
        code, said = await refused("notifier", "--listen", "127.0.0.1:0", **system.settings)
        assert code == 1
        assert "cannot start: notifier lacks base 2 (outbox mark): run the migration command" in said
        done = await command("migrate", **system.settings)
        assert done.returncode == 0, done.stderr
        async with services("notifier", "--listen", "127.0.0.1:0", **system.settings):
            pass


async def test_rebuild_finds_a_row_changed_by_hand_mends_it_and_says_so(tmp_path: Path, postgres: External) -> None:
    async with split(tmp_path, postgres) as system:
        await system.at_consent.load_marketing()
        await People(system.at_consent.consent, TENANT, 3).run()

        async def rebuilt(code: int) -> Any:
            done = await command("rebuild", "--json", **system.settings)
            assert done.returncode == code, done.stderr
            return json.loads(done.stdout)

        async def decision() -> int:
            asked = cs.CheckConsentRequest(tenant=TENANT, subject=email("granted"), purpose="marketing.email")
            return int((await call(system.at_consent.consent.CheckConsent, asked, 10)).decision)

        await grant(system.at_consent)
        before = await rebuilt(0)
        assert before["same"] and before["streams"] == 5, "four people and the catalogue"
        postgres.run("DELETE FROM consent.consent_state", url=system.store)
        assert await decision() == ty.DECISION_NOT_ALLOWED
        changed = await rebuilt(1)
        assert not changed["same"] and changed["after"] == before["after"] != changed["before"]
        assert await decision() == ty.DECISION_ALLOWED
        assert (await rebuilt(0))["before"] == before["after"]


async def grant(stubs: Stubs) -> None:
    choice = cs.ConsentChoice(purpose="marketing.email", choice=ty.CHOICE_GRANT)
    request = cs.RecordConsentRequest(
        request_id=request_id(), tenant=TENANT, subject=email("granted"), choices=[choice], notice_version=NOTICE
    )
    await call(stubs.consent.RecordConsent, request, 10)


async def test_rebuild_of_embedded_files_is_refused_while_a_process_owns_them(tmp_path: Path) -> None:
    async with services("--listen", "127.0.0.1:0", "--data", str(tmp_path)) as process:
        busy = await command("rebuild", "--data", str(tmp_path))
        assert busy.returncode == 3
        assert "in use by another process" in busy.stderr and "Traceback" not in busy.stderr
        process.terminate()
        assert await process.ended() == 0
    free = await command("rebuild", "--data", str(tmp_path))
    assert free.returncode == 0, free.stderr
    assert "the projection was what the log says" in free.stdout


@pytest.mark.fault
async def test_after_nats_lost_everything_rebuild_makes_every_stream_and_nothing_open_is_lost(
    tmp_path: Path, postgres: External
) -> None:
    async with split(tmp_path, postgres) as system:
        login = Login(system.nats.url, system.nats.credentials)
        downstreams = Downstreams(system.at_notifier.notifier)
        try:
            await downstreams.register()
            await system.at_consent.load_marketing()
            await People(system.at_consent.consent, TENANT, 4).run()
            log = await revocations(system.at_consent.audit, TENANT)
            count = len(due(log, downstreams.mailer.receives)) + len(due(log, downstreams.texter.receives))
            await eventually(lambda: sent(downstreams, count), 30)
            await system.rebuild_bus()
            assert await system.rebuild_bus() == "every stream is there\n"
            await eventually(lambda: carried(system), 20)

            await system.nats.kill()
            system.nats.wipe()
            await system.nats.start()
            assert [line["carried"] for line in await status(system)] == [None, None, None]
            made = await system.rebuild_bus()
            assert [line.split(maxsplit=1)[0].strip(":") for line in made.splitlines()] == STREAMS
            assert await system.rebuild_bus() == "every stream is there\n"

            await downstreams.start(login)
            await eventually(lambda: settled(downstreams), 60)
            await eventually(lambda: carried(system), 60)
            assert all(line["carried"] == line["log"] for line in await status(system))
        finally:
            await downstreams.stop()


async def status(system: Split) -> list[dict[str, Any]]:
    done = await command("bus", "status", "--json", **system.settings)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert [line["service"] for line in found] == list(SCHEMAS)
    return found


async def carried(system: Split) -> bool:
    """Whether both logs are carried to their end, and marked so."""
    bus = await system.nats.bus("asking")
    try:
        for log, stream in (("consent", "LEDGER"), ("notifier", "LEDGER_NOTIFIER")):
            reached = f"SELECT position, published FROM {log}.log_head, {log}.outbox_mark"
            [(head, marked)] = system.postgres.run(reached, url=system.store)
            state = await stream_state(bus, stream)
            if state is None or not head == marked == state.last:
                return False
        return True
    finally:
        await bus.close()


async def sent(downstreams: Downstreams, count: int) -> bool:
    """Whether so many obligations are SENT, and none is more than that."""
    return len(await downstreams.obligations(state=ev.OBLIGATION_STATE_SENT)) == count


async def settled(downstreams: Downstreams) -> bool:
    """Whether everything is ENFORCED but what waits for the paused one."""
    return {(o.downstream, o.state) for o in await downstreams.obligations()} == {
        ("mailer", ev.OBLIGATION_STATE_ENFORCED),
        ("texter", ev.OBLIGATION_STATE_ENFORCED),
        ("late", ev.OBLIGATION_STATE_PENDING),
    }
