"""Webhooks through crashes: the notifier's, NATS's, and several notifiers at once."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from consentledger.client.subjects import consumer_name
from consentledger.store.open import open_store
from services.notifier.projection.rebuild import rebuild
from services.notifier.projection.tables import MIGRATIONS
from services.notifier.service import NotifierConfig, NotifierService, build
from tests.support.nats import eventually
from tests.support.notifier import ADA, BEA
from tests.support.receivers import Received, ThenSilent, answer, forever
from tests.support.signed import signed
from tests.support.webhooks import Hooked, here, hooked

pytestmark = pytest.mark.fault
ENFORCED = answer(200, b'{"outcome":"enforced","method":"suppressed"}')
LATER = 1.21


@pytest.mark.parametrize("crash", [True, False])
async def test_a_restart_keeps_the_schedule(tmp_path: Path, store_url: str, crash: bool) -> None:
    async with hooked(tmp_path, store_url) as h:
        hook = await h.hook("shop", lambda got: answer(500))
        h.world.consent.withdraw(ADA, ["a"])
        await h.waiting(1)
        h.clock.advance(5 * LATER)
        await h.waiting(2)
        await h.restart(crash=crash)
        h.world.consent.withdraw(BEA, ["a"])
        await h.waiting(1, 2)
        assert len(hook.got) == 3, "nothing was tried before its time"
        h.clock.advance(5 * LATER)
        await h.waiting(2, 2)
        h.clock.advance(300 * LATER)
        await h.waiting(3, 3)
        await h.restart(crash=crash)
        hook.answering = lambda got: ENFORCED
        h.clock.advance(1800 * LATER)
        await h.world.standing(ENFORCED=2)
        assert Counter(got.data["ids"][0] for got in hook.got) == {"ada@example.org": 4, "bea@example.org": 4}


async def test_a_crash_in_the_middle_of_an_attempt_repeats_it_under_the_same_id(tmp_path: Path) -> None:
    async with hooked(tmp_path) as h:
        hook = await h.hook("shop", forever)
        h.world.consent.withdraw(ADA, ["a"])
        await eventually(lambda: len(hook.got) == 1)
        await h.world.crash()
        hook.answering = lambda got: ENFORCED
        await h.world.start(webhooks=h.settings)
        await h.world.standing(20, ENFORCED=1)
        assert {got.headers["webhook-id"] for got in hook.got} == {(await h.world.obligations())[0].id}


async def test_an_answer_whose_record_was_lost_in_a_crash_is_asked_for_again(tmp_path: Path) -> None:
    """The receiver has enforced, and we went down before we could write it."""
    async with hooked(tmp_path) as h:
        hook = await h.hook("shop", lambda got: ThenSilent(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"))
        h.world.consent.withdraw(ADA, ["a"])
        await eventually(lambda: len(hook.got) == 1)
        await h.world.crash()
        hook.answering = lambda got: ENFORCED
        await h.world.start(webhooks=h.settings)
        await h.world.standing(20, ENFORCED=1)
        assert len(hook.got) == 2


async def test_what_waits_outlives_the_loss_of_nats(tmp_path: Path) -> None:
    async with hooked(tmp_path, kills=True) as h:
        hook = await h.hook("shop", lambda got: answer(500))
        h.world.consent.withdraw(ADA, ["a"])
        h.world.consent.withdraw(BEA, ["a"])
        await h.waiting(1, 1)
        await h.world.consent.stop()
        await h.world.nats.kill()
        h.world.nats.wipe()
        await h.world.nats.start()
        await h.world.consent.publish(await h.world.nats.bus("consent"), len(h.world.consent.leaves))
        # Everything open is sent again; what waits goes on waiting.
        h.world.consent.withdraw(ADA, ["b"])
        await h.waiting(0, 1, 1)
        assert len(hook.got) == 2
        hook.answering = lambda got: ENFORCED
        h.clock.advance(5 * LATER)
        await h.world.standing(20, ENFORCED=3)
        assert len(hook.got) == 5


async def test_what_waits_outlives_a_rebuild_of_the_tables(tmp_path: Path, store_url: str) -> None:
    async with hooked(tmp_path, store_url) as h:
        hook = await h.hook("shop", lambda got: answer(500))
        gone = await h.hook("gone", lambda got: answer(410))
        h.world.consent.withdraw(ADA, ["a"])
        await h.waiting(1)
        await h.world.standing(SENT=1, DEAD=1)
        await h.world.stop()
        store = await open_store(store_url, "notifier", MIGRATIONS)
        before = [sorted(await store.read(f"SELECT * FROM {t}"), key=repr) for t in ("downstream", "obligation")]
        await rebuild(store)
        after = [sorted(await store.read(f"SELECT * FROM {t}"), key=repr) for t in ("downstream", "obligation")]
        await store.close()
        assert after == before
        await h.world.start(webhooks=h.settings)
        h.clock.advance(5 * LATER)
        await h.waiting(2)
        assert (len(hook.got), len(gone.got)) == (2, 1)
        assert h.believed(h.secrets["shop"], hook.got[-1]) == (True, True)


async def test_replicas_share_the_work_and_keep_each_persons_order(tmp_path: Path, postgres_url: str) -> None:
    async with hooked(tmp_path, postgres_url) as h:
        released, under_way, together = asyncio.Event(), Counter[str](), 0

        async def answering(got: Received) -> bytes:
            nonlocal together
            [id] = got.data["ids"]
            together += under_way[id]
            under_way[id] += 1
            if got.data["ledger_position"] == 1:
                await released.wait()
            under_way[id] -= 1
            return ENFORCED

        hook = await h.hook("shop", answering)
        async with _second(h, tmp_path):
            for n in range(40):
                h.world.consent.withdraw((ADA, BEA)[n % 2], [f"p{n}"])
                if n == 0:
                    await eventually(lambda: len(hook.got) == 1)
            # One replica is held by the first; the other has got some of those behind it, and must put them off.
            await eventually(lambda: _put_off(h), 30)
            assert {got.data["ledger_position"] for got in hook.got if got.data["ids"] == ["ada@example.org"]} == {1}
            released.set()
            await h.world.standing(60, ENFORCED=40)
        assert together == 0, "a later one was sent while an earlier one was under way"
        for id in ("ada@example.org", "bea@example.org"):
            positions = [got.data["ledger_position"] for got in hook.got if got.data["ids"] == [id]]
            assert positions == sorted(positions)
            assert len(set(positions)) == 20


async def _put_off(h: Hooked) -> bool:
    info = await h.world.bus.request_json(f"$JS.API.CONSUMER.INFO.ENFORCE.{consumer_name('acme', 'shop')}")
    return bool(info["num_pending"] == 0 and info["num_redelivered"])


@asynccontextmanager
async def _second(h: Hooked, folder: Path) -> AsyncIterator[NotifierService]:
    """A second notifier over the same database."""
    async with contextlib.AsyncExitStack() as stack:
        store = await open_store(h.world.url, "notifier", MIGRATIONS)
        stack.push_async_callback(store.close)
        log = await stack.enter_async_context(signed(store, "notifier", h.world.keys, folder))
        config = NotifierConfig(keep_seconds=0.2, sent_seconds=0.01, flush_seconds=2.0, webhooks=h.settings)
        bus = await h.world.nats.bus("second")
        second = await build(config, log, bus, h.world.channel, h.world.keys, h.clock, lookup=here)
        await second.start()
        try:
            yield second
        finally:
            await asyncio.wait_for(second.close(), 30)
