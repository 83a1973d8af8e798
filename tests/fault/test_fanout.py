"""P3: every revocation reaches every registered downstream at least once, in order per person.

While people revoke, the broker is killed and loses everything, the services are killed, downstreams crash, and one is
paused until the end. What must have arrived is computed from the log, not asked of the notifier.
"""

import asyncio
import json
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from consentledger.client.obligation import ALL, Obligation, Outcome, enforced
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as ns
from consentledger.v1 import purpose_service_pb2 as ps
from tests.support import revoked
from tests.support.consent import TENANT, request_id
from tests.support.downstreams import Downstreams, Login
from tests.support.nats import eventually
from tests.support.notifier import ADA, world
from tests.support.people import REVOCATIONS_EACH, People, insist
from tests.support.postgres import External
from tests.support.services import ServiceProcess
from tests.support.split import Split, Stubs, split

pytestmark = pytest.mark.fault

MEANWHILE = 0.1
"""How much of the work may be done while one thing goes wrong."""
WAITING = 15
"""How many obligations pile up for a downstream that is away; some are of the same person."""
CATALOGUE_REVOCATIONS = 2
"""A material notice at the beginning, a purpose retired in the middle."""

Misfortunes = Sequence[tuple[float, Callable[[], Awaitable[object]]]]
"""What happens, each when so much of the work is done."""


async def play(people: People, misfortunes: Misfortunes) -> None:
    """Let people revoke while things go wrong."""
    async with asyncio.TaskGroup() as group:
        group.create_task(people.run())
        for share, happens in misfortunes:
            people.allowed = share + MEANWHILE
            await eventually(lambda least=share: people.share >= least, 300)
            await happens()
        people.allowed = 1.0


async def pile_up(downstreams: Downstreams) -> None:
    """The mailer and the control go away, and obligations wait for them."""
    await downstreams.mailer.stop()
    await downstreams.plain.stop()

    async def sent() -> set[str]:
        return {o.id for o in await downstreams.obligations(downstream="mailer", state=ev.OBLIGATION_STATE_SENT)}

    async def enough() -> bool:
        return len(await sent() - before) >= WAITING

    before = await sent()
    await eventually(enough, 60)


async def back(downstreams: Downstreams, login: Login) -> None:
    """They listen again."""
    await downstreams.mailer.start(login)
    await downstreams.plain.start(login)


async def retire(stubs: Stubs) -> None:
    """An obligation that is about everybody."""
    request = ps.RetirePurposeRequest(request_id=request_id(), tenant=TENANT, purpose="marketing.post")
    await insist(stubs.purposes.RetirePurpose, request)


async def all_enforced(downstreams: Downstreams, count: int, seconds: float) -> list[ns.Obligation]:
    """Every obligation, once so many are ENFORCED."""

    async def holds() -> bool:
        return len(await downstreams.obligations(state=ev.OBLIGATION_STATE_ENFORCED)) >= count

    try:
        await eventually(holds, seconds)
    except AssertionError:
        found = await downstreams.obligations()
        stand = Counter((o.downstream, ev.ObligationState.Name(o.state)) for o in found)
        raise AssertionError(f"{stand} instead of {count} enforced") from None
    return await downstreams.obligations()


async def nothing_is_lost(stubs: Stubs, downstreams: Downstreams, people: People, seconds: float) -> None:
    """What the promise says, for every downstream; and the control must have lost something."""
    log = await revoked.revocations(stubs.audit, TENANT)
    assert len(log) == people.revoked + CATALOGUE_REVOCATIONS
    expected = {r.id: revoked.due(log, r.receives) for r in downstreams.recorders}
    obligations = await all_enforced(downstreams, sum(map(len, expected.values())), seconds)

    assert Counter((o.downstream, o.ledger_position) for o in obligations) == Counter(
        (downstream, position) for downstream, positions in expected.items() for position in positions
    )
    assert len({o.id for o in obligations}) == len(obligations)
    assert {o.state for o in obligations} == {ev.OBLIGATION_STATE_ENFORCED}
    for recorder in downstreams.recorders:
        assert revoked.unlike(expected[recorder.id], recorder.got) == set(), recorder.id
        assert revoked.overtaken(log, recorder.got, recorder.redelivered) == [], recorder.id
        assert revoked.misnamed(log, recorder.got) == set(), recorder.id
    assert revoked.unlike(expected["mailer"], downstreams.plain.got), "nothing that is lost would be noticed"


async def run_split(folder: Path, postgres: External, revocations: int, seconds: float) -> None:
    """A process each, on PostgreSQL and an external broker, which is killed three times and wiped the second time."""
    async with split(folder, postgres) as system:
        login = Login(system.nats.url, system.nats.credentials)
        downstreams = Downstreams(system.at_notifier.notifier)
        people = People(system.at_consent.consent, TENANT, revocations // REVOCATIONS_EACH)

        async def away() -> None:
            await pile_up(downstreams)
            await back(downstreams, login)

        async def lose_everything() -> None:
            await pile_up(downstreams)
            await system.nats.kill()
            system.nats.wipe()
            await system.nats.start()
            assert "ENFORCE" in await system.rebuild_bus()
            await back(downstreams, login)

        misfortunes: Misfortunes = (
            (0.05, lambda: system.nats.crash(0.3)),
            (0.15, lose_everything),
            (0.30, away),
            (0.40, system.notifier.kill),
            (0.45, system.notifier.start),
            (0.50, lambda: retire(system.at_consent)),
            (0.60, system.consent.kill),
            (0.60, system.consent.start),
            (0.70, lambda: system.nats.crash(0.3)),
            (0.85, system.notifier.kill),
            (0.85, system.consent.kill),
            (0.85, system.notifier.start),
            (0.85, system.consent.start),
        )
        try:
            await downstreams.register()
            await system.at_consent.load_marketing()
            await downstreams.start(login)
            await play(people, misfortunes)
            assert downstreams.late.got == []
            await downstreams.resume_late(login)
            await nothing_is_lost(system.at_consent, downstreams, people, seconds)
        finally:
            await downstreams.stop()


async def test_through_killed_brokers_and_services_every_revocation_is_enforced_everywhere_in_order(
    tmp_path: Path, postgres: External
) -> None:
    await run_split(tmp_path, postgres, revocations=600, seconds=60)


@pytest.mark.slow
async def test_ten_thousand_revocations_are_enforced_everywhere_in_order(tmp_path: Path, postgres: External) -> None:
    await run_split(tmp_path, postgres, revocations=10_000, seconds=600)


async def test_the_embedded_default_loses_nothing_when_it_is_killed_with_its_broker(tmp_path: Path) -> None:
    """One process on SQLite: killed with its broker twice, the broker alone once, its store lost once."""
    data = tmp_path / "data"
    with tempfile.TemporaryDirectory(prefix="cl-") as sockets:
        at = f"unix:{sockets}/all"
        process, stubs = ServiceProcess("--listen", at, "--data", str(data)), Stubs(at)
        downstreams = Downstreams(stubs.notifier)
        people = People(stubs.consent, TENANT, 200 // REVOCATIONS_EACH, at_once=6)

        def login() -> Login:
            # The embedded server has a new port and a new password at each start.
            told = json.loads((data / "nats.json").read_text())
            return Login(told["url"], {"user": told["user"], "password": told["password"]})

        async def kill_broker() -> None:
            os.kill(int((data / "nats" / "nats.pid").read_text()), signal.SIGKILL)

        async def away() -> None:
            await pile_up(downstreams)
            await back(downstreams, login())

        async def kill() -> None:
            await downstreams.stop()
            await process.kill()
            await process.start()
            await downstreams.start(login())

        async def lose_everything() -> None:
            await pile_up(downstreams)
            await downstreams.stop()
            await process.kill()
            shutil.rmtree(data / "nats" / "jetstream")
            await process.start()
            await downstreams.start(login())

        misfortunes: Misfortunes = (
            (0.10, kill_broker),
            (0.20, lose_everything),
            (0.40, away),
            (0.50, lambda: retire(stubs)),
            (0.60, kill),
        )
        try:
            await process.start()
            await downstreams.register()
            await stubs.load_marketing()
            await downstreams.start(login())
            await play(people, misfortunes)
            await downstreams.resume_late(login())
            await nothing_is_lost(stubs, downstreams, people, 60)
        finally:
            await downstreams.stop()
            await stubs.channel.close()
            process.close()


@pytest.mark.slow
async def test_a_notifier_that_skipped_positions_would_be_found_out(tmp_path: Path, postgres: External) -> None:
    async with split(tmp_path, postgres) as system:
        downstreams = Downstreams(system.at_notifier.notifier)
        await downstreams.register()
        await system.at_consent.load_marketing()
        [notice] = await revoked.revocations(system.at_consent.audit, TENANT)
        await eventually(lambda: has(downstreams, notice.position), 30)
        await system.notifier.kill()
        await People(system.at_consent.consent, TENANT, 1).run()
        skip(system)
        await system.notifier.start()
        await retire(system.at_consent)
        log = await revoked.revocations(system.at_consent.audit, TENANT)
        await eventually(lambda: has(downstreams, log[-1].position), 30)
        made = {o.ledger_position for o in await downstreams.obligations(downstream="mailer")}
        assert len(revoked.due(log, [ALL]).keys() - made) == REVOCATIONS_EACH


def skip(system: Split) -> None:
    """Let the notifier believe that it has taken in the whole log."""
    [(head,)] = system.postgres.run("SELECT position FROM consent.log_head", url=system.store)
    system.postgres.run("UPDATE notifier.progress SET intake = $1", head, url=system.store)


async def has(downstreams: Downstreams, position: int) -> bool:
    """Whether there are obligations for a revocation."""
    return bool(await downstreams.obligations(ledger_position=position))


async def test_what_a_downstream_had_in_hand_when_it_was_restarted_comes_before_anything_newer(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.register("mailer", [ALL])
        restarted = asyncio.Event()

        async def enforce(obligation: Obligation) -> Outcome:
            await restarted.wait()
            return enforced("suppressed", 1)

        client = await w.listen("mailer", enforce)
        older = [w.consent.withdraw(ADA, [f"p{n}"]) for n in range(10)]
        await w.standing(SENT=10)
        await eventually(lambda: len(w.got["mailer"]) == 1)
        await client.stop()
        w.got["mailer"].clear()
        restarted.set()
        newer = w.consent.withdraw(ADA, ["newer"])
        await w.standing(SENT=11)
        await w.listen("mailer", enforce)
        await w.standing(ENFORCED=11, timeout=5)
        assert [o.ledger_position for o in w.got["mailer"]] == [*older, newer]
