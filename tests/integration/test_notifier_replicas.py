"""Several notifiers over one database, and tables made anew: the same answers, nothing made or sent twice."""

import time
from pathlib import Path
from typing import Any

from consentledger.store.open import open_store
from services.notifier.projection.rebuild import rebuild
from services.notifier.projection.tables import MIGRATIONS
from services.notifier.service import NotifierConfig, build
from tests.support.nats import eventually
from tests.support.notifier import ADA, BEA, world
from tests.support.signed import signed

TABLES = ("downstream", "obligation", "dispatch")


async def test_two_replicas_make_and_send_each_obligation_once(tmp_path: Path, postgres_url: str) -> None:
    async with world(tmp_path, postgres_url) as w:
        await w.register("mailer", ["*"])
        await w.listen("mailer")
        store, bus = await open_store(postgres_url, "notifier", MIGRATIONS), await w.nats.bus("second")
        config = NotifierConfig(rebuild_streams=True, keep_seconds=0.2, sent_seconds=0.01, flush_seconds=2.0)
        async with signed(store, "notifier", w.keys, tmp_path) as log:
            second = await build(config, log, bus, w.channel, w.keys, lambda: time.time_ns() // 1000)
            await second.start()
            try:
                positions = []
                for n in range(100):
                    positions.append(w.consent.withdraw((ADA, BEA)[n % 2], [f"p{n}"]))
                    if n % 20 == 19:
                        await w.standing(ENFORCED=n + 1)
            finally:
                await second.close()
        await store.close()
        assert [o.ledger_position for o in await w.obligations()] == positions
        assert (await w.stream("ENFORCE"))["last_seq"] == 100
        assert [o.ledger_position for o in w.got["mailer"]] == positions
        await eventually(lambda: w.service.alarms() == {})


async def test_the_tables_can_be_made_anew_from_the_log(tmp_path: Path, store_url: str) -> None:
    async with world(tmp_path, store_url) as w:
        mailer = await w.register("mailer", ["a", "b"], display_name="Mailer", enforce_within_seconds=60)
        await w.register("lake", ["*"], kind=2, paused=True)
        await w.listen("mailer")
        for n in range(5):
            w.consent.withdraw((ADA, BEA)[n % 2], ["a" if n % 2 else "*"])
        await w.standing(ENFORCED=5, PENDING=5)
        await w.update(mailer, paused=True)
        await w.register("shop", ["*"])
        w.consent.withdraw(ADA, ["b"])
        await w.standing(ENFORCED=5, PENDING=7, SENT=1)
        await w.stop()
        store = await open_store(store_url, "notifier", MIGRATIONS)
        before = await _contents(store)
        async with store.write() as tx:
            for table in ("downstream", "obligation"):
                await tx.executemany(f"DELETE FROM {table}", [()])
        head = (await store.head()).position
        assert await rebuild(store) == head
        assert await _contents(store) == before
        await store.close()
        await w.start()
        await w.listen("shop")
        await w.standing(ENFORCED=6, PENDING=7)
        assert w.service.alarms() == {}


async def _contents(store: Any) -> dict[str, list[Any]]:
    return {table: sorted(await store.read(f"SELECT * FROM {table}"), key=repr) for table in TABLES}
