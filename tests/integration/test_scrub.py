"""The background scrub: finds what was changed behind the service's back, says where, and forgets it once mended."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from consentledger.rpc.health import INTEGRITY, READINESS
from consentledger.store.fsck.finding import Kind
from services.audit.scrub import Scrub
from tests.support.installation import installation
from tests.support.nats import eventually
from tests.support.sealed_log import SealedLog, entries_of, grow, sealed_log, tamper
from tests.support.services import health
from tests.support.stores import opened

PERSONS = 200


def scrub(made: SealedLog, told: list[bool]) -> Scrub:
    async def tell(intact: bool) -> None:
        told.append(intact)

    return Scrub({"consent": made.log}, 100_000, tell, between=0.01)


async def test_a_changed_leaf_is_found_where_it_is_and_forgotten_when_it_is_mended(
    tmp_path: Path, store_url: str
) -> None:
    async with opened(store_url) as store, sealed_log(store, tmp_path, PERSONS) as made:
        told: list[bool] = []
        running = scrub(made, told)
        metrics = running.metrics["consent"]
        await running.start()
        try:
            await eventually(lambda: metrics.passes >= 2)
            assert (metrics.differences, running.alarms(), told) == ({}, {}, [])
            [(leaf,)] = await store.read("SELECT leaf FROM event WHERE position = 40")
            await tamper(store, "UPDATE event SET leaf = $1 WHERE position = 40", b"another")
            await eventually(lambda: metrics.differences.get("leaf-differs") == 1)
            await eventually(lambda: "root-differs" in metrics.differences)
            assert running.alarms() == {"consent": "leaf-unreadable"} and told == [False]
            await tamper(store, "UPDATE event SET leaf = $1 WHERE position = 40", leaf)
            await eventually(lambda: told == [False, True])
            assert running.alarms() == {}
        finally:
            await running.close()


async def test_a_log_that_grows_meanwhile_is_no_difference(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store, sealed_log(store, tmp_path, PERSONS) as made:
        told: list[bool] = []
        running = scrub(made, told)
        await running.start()
        try:
            for person in range(PERSONS + 1, PERSONS + 101):
                await grow(made.log, entries_of(person, made.log.tree.size))
            before = running.metrics["consent"].passes
            await eventually(lambda: running.metrics["consent"].passes >= before + 2)
            assert running.metrics["consent"].position == made.log.tree.size
        finally:
            await running.close()
        assert told == [] and running.metrics["consent"].differences == {}


async def test_at_no_events_a_second_it_does_nothing(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path / 'a.db'}") as store, sealed_log(store, tmp_path, 9) as made:
        told: list[bool] = []
        off = Scrub({"consent": made.log}, 0, scrub(made, told)._tell)
        await off.start()
        await off.close()
        assert off.metrics["consent"].events == 0


async def test_its_pace_is_what_was_asked(tmp_path: Path) -> None:
    """500 events a second: at most that many, and not far fewer."""
    async with opened(f"sqlite:///{tmp_path / 'a.db'}") as store, sealed_log(store, tmp_path, 400) as made:
        told: list[bool] = []
        running = Scrub({"consent": made.log}, 500, scrub(made, told)._tell)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await running.start()
        try:
            await eventually(lambda: running.metrics["consent"].events >= 500)
            took = loop.time() - began
        finally:
            await running.close()
    assert took >= 0.9


@pytest.mark.parametrize("column", ["leaf", "tenant"])
async def test_a_service_says_so_in_its_journal_and_to_whoever_asks_for_its_integrity(
    tmp_path: Path, column: str
) -> None:
    async with installation("sqlite", tmp_path, None) as system:
        await system.stubs.load_marketing()
        await system.grant_many([f"p{n}" for n in range(150)])
        assert system.process is not None
        assert await health(system.process.address, INTEGRITY) == "SERVING"
        await system.stop()
        with closing(sqlite3.connect(system.data / "consent.db", isolation_level=None)) as connection:
            connection.execute("DROP TRIGGER event_update")
            value = "CAST('changed' AS BLOB)" if column == "leaf" else "'changed'"
            connection.execute(f"UPDATE event SET {column} = {value} WHERE position = 33")
        await system.start(CONSENTLEDGER_SCRUB_EVENTS_PER_SECOND="50000")
        address = system.process.address
        process = system.process

        async def alarmed() -> bool:
            return await health(address, INTEGRITY) == "NOT_SERVING"

        await eventually(alarmed)
        wanted = ("consent", (Kind.LEAF_DIFFERS if column == "leaf" else Kind.COLUMN_DIFFERS).value, 33)
        await eventually(
            lambda: wanted in [(d["reason"], d["status"], d["position"]) for d in process.events("damaged")]
        )
        assert await health(address, READINESS) == "SERVING"
        await system.withdraw("p1")
        assert not await system.allowed("p1")
