"""An erasure that is stopped anywhere is finished: by a new process, another replica, the next try. On both stores."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from services.consent.eraser import STEPS
from services.consent.projection.erasures import open_parts
from services.consent.projection.rebuild import rebuild
from tests.support.consent import Ledger
from tests.support.erasing import SALE, Recipients, ended, erase, grant, how_far, link, running, why, withdraw
from tests.support.failing_keys import failing_keys
from tests.support.failing_store import Failure, failing_stores
from tests.support.nats import eventually

pytestmark = pytest.mark.fault
BOTH: Sequence[Failure] = ("not applied", "applied")


class Stopped(Exception):
    """Raised by a step, so that nothing after it happens."""


class Stops:
    """Ends every try at one step."""

    def __init__(self, step: str) -> None:
        self._step = step
        self.times = 0

    def __call__(self, step: str) -> None:
        if step == self._step:
            self.times += 1
            raise Stopped


async def people(made: Ledger) -> None:
    """Two who are linked and have refused something, and one who has nothing to do with them."""
    for name in ("ada", "ben", "dee"):
        await grant(made.consent, name, note="said by phone")
    await withdraw(made.consent, "ben", SALE)
    await link(made.consent, "ada", "ben")


async def all_is_done(made: Ledger, id: str) -> None:
    """What must hold at the end, whatever happened on the way."""
    done = await ended(made.consent, id)
    assert len(done.attestations) == 2 and done.suppressed
    assert [(r.downstream, r.state) for r in done.recipients] == [("mailer", ev.OBLIGATION_STATE_ENFORCED)]
    assert all(len(a.key_destroyed.key_id) == 32 for a in done.attestations)
    entries = await made.store.entries(0, 1_000)
    assert Counter(e.type for e in entries)["key.destroyed.v1"] == 2
    gone = {e.stream for e in entries if e.type == "key.destroyed.v1"}
    assert all(e.ciphertext is None for e in entries if e.stream in gone)
    assert any(e.ciphertext is not None for e in entries if e.stream not in gone)
    assert await made.keystore.wrapped(sorted(gone)) == {}
    for name in ("ada", "ben"):
        assert await why(made.consent, name) == "NOT_ALLOWED NO_RECORD"
        assert await why(made.consent, name, SALE, "US-CA") == "NOT_ALLOWED OBJECTED"
    assert await why(made.consent, "dee") == "ALLOWED GRANTED"
    rebuilt = await rebuild(made.store)
    assert rebuilt.before == rebuilt.after


@pytest.mark.parametrize("step", STEPS)
async def test_stopped_at_any_step_it_is_finished_by_the_next_process(
    tmp_path: Path, store_url: str, step: str
) -> None:
    stops, told = Stops(step), Recipients(("mailer", ev.OBLIGATION_STATE_ENFORCED))
    async with running(tmp_path, store_url, told, at_step=stops) as made:
        await people(made)
        id = (await erase(made.consent, "ada")).erasure_id
        await eventually(lambda: stops.times > 0)
        far = (await how_far(made.consent, id)).state
        assert (
            far
            == {
                "tell": cs.ERASURE_STATE_TELLING_RECIPIENTS,
                "destroy": cs.ERASURE_STATE_TELLING_RECIPIENTS,
                "clean": cs.ERASURE_STATE_DESTROYING,
                "attest": cs.ERASURE_STATE_DESTROYING,
                "done": cs.ERASURE_STATE_ERASED,
            }[step]
        )
        answers = {await why(made.consent, name) for name in ("ada", "ben")}
        assert answers <= {"NOT_ALLOWED ERASURE_IN_PROGRESS", "NOT_ALLOWED NO_RECORD"}
        assert await why(made.consent, "ben", SALE, "US-CA") != "ALLOWED NOT_OPTED_OUT"
        rebuilt = await rebuild(made.store)
        assert rebuilt.before == rebuilt.after
    gone = Recipients()
    gone.away = step in ("clean", "attest", "done")  # what became of telling was written down before
    async with running(tmp_path, store_url, gone if gone.away else told, catalogue=False) as made:
        await all_is_done(made, id)


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize("write", ["begin", "destroy", "clean", "attest"])
async def test_a_durable_write_that_fails_is_done_again_and_once(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch, write: str, how: Failure
) -> None:
    stores, keystores = failing_stores(monkeypatch), failing_keys(monkeypatch)
    told = Recipients(("mailer", ev.OBLIGATION_STATE_SENT))
    async with running(tmp_path, store_url, told) as made:
        [store], [keys] = stores, keystores
        await people(made)
        if write == "begin":
            store.fail(how)  # the channel asks again under the same id
        id = (await erase(made.consent, "ada")).erasure_id
        if write == "destroy":
            keys.fail(how)
        elif write == "clean":
            store.fail_erasing(how)
        elif write == "attest":
            store.fail(how)
        told.obligations = (("mailer", ev.OBLIGATION_STATE_ENFORCED),)
        await all_is_done(made, id)
        assert store.failures + keys.failures == 1


async def test_replicas_that_go_on_with_the_same_erasures_end_each_once(tmp_path: Path, postgres_url: str) -> None:
    told = Recipients(("mailer", ev.OBLIGATION_STATE_ENFORCED), reached=False)
    async with (
        running(tmp_path, postgres_url, told, keys_url=postgres_url) as one,
        running(tmp_path, postgres_url, told, keys_url=postgres_url, catalogue=False) as two,
    ):
        names = [f"p{n}" for n in range(12)]
        for name in names:
            await grant(one.consent, name)
        ids = [(await erase(one.consent, name)).erasure_id for name in names]
        told.reached = True
        await asyncio.gather(*(ended(made.consent, id) for id in ids for made in (one, two)))
        types = Counter(e.type for e in await one.store.entries(0, 1_000))
        assert (types["subject.erased.v1"], types["key.destroyed.v1"]) == (12, 12)


async def test_an_erasure_that_cannot_go_on_holds_up_no_other(tmp_path: Path) -> None:
    class Deaf(Recipients):
        """Breaks whenever it is asked about the first erasure."""

        async def told(self, tenant: str, position: int) -> Any:
            self.asked.append((tenant, position))
            if position == self.asked[0][1]:
                raise ConnectionError("on purpose")
            return await super().told(tenant, position)

    recipients = Deaf()
    async with running(tmp_path, f"sqlite:///{tmp_path}/store.db", recipients) as made:
        await grant(made.consent, "ada")
        await grant(made.consent, "ben")
        stuck = await erase(made.consent, "ada")
        await eventually(lambda: len(recipients.asked) > 0)
        await ended(made.consent, (await erase(made.consent, "ben")).erasure_id)
        assert await why(made.consent, "ada") == "NOT_ALLOWED ERASURE_IN_PROGRESS"
        parts = await open_parts(made.store, 0, 10)
        assert [str(UUID(bytes=part.erasing.id)) for part in parts] == [stuck.erasure_id]
