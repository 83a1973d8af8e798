"""`consentledger fsck` on a whole installation: clean after real work, and each table that was changed is named."""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from consentledger.bus.reading import body_at, differing
from consentledger.bus.streams import stream_state
from consentledger.settings import ServiceSettings
from consentledger.store.fsck.finding import Kind
from services.fsck import Report, fsck
from tests.support.downstreams import Downstreams
from tests.support.installation import Installation, installation
from tests.support.installation import Kind as Store
from tests.support.nats import eventually
from tests.support.postgres import External

STORES: Sequence[Store] = ("sqlite", "postgresql")


@pytest.fixture
def server(request: pytest.FixtureRequest) -> External | None:
    """A PostgreSQL for those tests that run on one."""
    return request.getfixturevalue("postgres") if "postgresql" in request.node.name else None


async def work(system: Installation) -> None:
    """More than one tile of events, obligations that were enforced, one person who took everything back."""
    downstreams = Downstreams(system.stubs.notifier)
    await downstreams.register()
    await system.stubs.load_marketing()
    await system.grant_many([f"p{n}" for n in range(150)])
    await downstreams.start(system.login)
    try:
        for name in ("p1", "p2", "p3"):
            await system.withdraw(name)

        async def settled() -> bool:
            return {o.state for o in await downstreams.obligations(downstream="mailer")} == {4}

        await eventually(settled, 30)
    finally:
        await downstreams.stop()
    await system.carried()


def change(system: Installation, log: str, *statements: str) -> None:
    """Change something in a stopped installation."""
    if system.settings.store:
        url = system.settings.keys if log == "keys" else system.settings.store
        External(f"{url}?search_path={log}").run_all(statements)
        return
    with closing(sqlite3.connect(system.data / f"{log}.db", isolation_level=None)) as connection:
        for sql in statements:
            connection.execute(sql)


@contextmanager
def changed(system: Installation, log: str, table: str, sql: str) -> Iterator[None]:
    """A table is changed meanwhile."""
    change(system, log, f"CREATE TABLE saved AS SELECT * FROM {table}", sql)
    yield
    change(system, log, f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM saved", "DROP TABLE saved")


async def report(system: Installation) -> Report:
    return await fsck(system.settings, lambda log, done, of: None)


PROJECTION = Kind.PROJECTION_DIFFERS
CHANGES: list[tuple[str, str, str, Kind]] = [
    ("consent", "person", "UPDATE person SET flags = person", PROJECTION),
    ("consent", "person", "DELETE FROM person", PROJECTION),
    ("consent", "consent_state", "UPDATE consent_state SET version = 9", PROJECTION),
    ("consent", "consent_state", "DELETE FROM consent_state", PROJECTION),
    ("consent", "preference", "INSERT INTO preference SELECT person, 'a', 'b', 'c', 'd' FROM person", PROJECTION),
    ("consent", "person_link", "INSERT INTO person_link SELECT person, person FROM person", PROJECTION),
    ("consent", "catalogue", "UPDATE catalogue SET version = 1", PROJECTION),
    ("notifier", "obligation", "UPDATE obligation SET state = 2", PROJECTION),
    ("notifier", "obligation", "UPDATE obligation SET evidence = NULL", PROJECTION),
    ("notifier", "downstream", "UPDATE downstream SET paused = 1 - paused", PROJECTION),
    ("notifier", "dispatch", "DELETE FROM dispatch WHERE seq = 1", PROJECTION),
    ("notifier", "progress", "UPDATE progress SET intake = 1000000", Kind.PROGRESS_AHEAD),
    ("keys", "person_key", "DELETE FROM person_key", Kind.KEY_MISSING),
]


@pytest.mark.parametrize("store", STORES)
async def test_an_installation_is_clean_after_work_and_each_change_is_found(
    tmp_path: Path, store: Store, server: External | None
) -> None:
    async with installation(store, tmp_path, server) as system:
        await work(system)
        running = await system.fsck()
        assert running["clean"], running
        by_log = {log["log"]: log for log in running["logs"]}
        assert by_log["consent"]["position"] == by_log["consent"]["guarded"] > 300
        if store == "sqlite":  # the embedded server is found without being named
            assert by_log["consent"]["carried"] == by_log["consent"]["position"]
        assert by_log["notifier"]["position"] > 0
        await system.stop()
        stopped = await report(system)
        assert stopped.clean
        assert stopped.keys == 150
        for log, table, sql, kind in CHANGES:
            with changed(system, log, table, sql):
                found = {one.service: one.findings for one in (await report(system)).logs}
            concerned = found.pop("consent" if log == "keys" else log)
            assert set(concerned.counts) == {kind}, sql
            assert concerned.firsts[kind].detail == {"progress": "intake", "person_key": ""}.get(table, table)
            assert all(other.clean for other in found.values()), sql
        assert (await report(system)).clean


@pytest.mark.parametrize("store", STORES)
async def test_the_command_names_the_first_difference_and_exits_with_one(
    tmp_path: Path, store: Store, server: External | None
) -> None:
    async with installation(store, tmp_path, server) as system:
        await system.stubs.load_marketing()
        await system.grant("p1")
        await system.stop()
        clean = await system.command("fsck", "--metrics", str(tmp_path / "metrics"))
        assert clean.returncode == 0, clean.stderr
        assert re.search(r"consent +\d+ +\d+ +not asked +clean", clean.stdout), clean.stdout
        assert 'consentledger_fsck_differences{log="consent",class="all"} 0' in (tmp_path / "metrics").read_text()
        change(system, "consent", "UPDATE catalogue SET version = 1")
        change(system, "consent", "UPDATE log_head SET root = edge")
        wrong = await system.command("fsck", "--metrics", str(tmp_path / "metrics"))
        assert wrong.returncode == 1, wrong.stderr
        assert "root-differs" in wrong.stdout and "Traceback" not in wrong.stderr
        assert 'class="projection-differs"} 1' in (tmp_path / "metrics").read_text()
        told: Any = json.loads((await system.command("fsck", "--json")).stdout)
        consent = told["logs"][0]
        assert not told["clean"] and consent["log"] == "consent"
        assert set(consent["differences"]) == {"root-differs", "projection-differs"}
        assert consent["first"]["position"] == consent["position"]


async def test_what_cannot_be_read_is_no_difference(tmp_path: Path) -> None:
    nothing = Installation(ServiceSettings(data=str(tmp_path / "nowhere")))
    done = await nothing.command("fsck")
    assert done.returncode == 3
    assert "there is no" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "nowhere").exists()


async def test_a_stream_that_holds_something_else_or_more_than_the_log_is_found(tmp_path: Path) -> None:
    async with installation("sqlite", tmp_path, None) as system:
        await system.stubs.load_marketing()
        await system.carried()
        bus = await system.bus()
        try:
            state = await stream_state(bus, "LEDGER")
            assert state is not None
            body = await body_at(bus, "LEDGER", state.last)
            assert body is not None and await body_at(bus, "LEDGER", state.last + 1) is None
            assert await differing(bus, "LEDGER", state, partial(_leaf, {1: None, state.last: body})) == 1
            await bus.request("ledger.consent.default.planted", b"nobody's event")
        finally:
            await bus.close()
        found = (await report(system)).logs[0].findings
    assert {(f.kind, f.detail) for f in found.firsts.values()} == {(Kind.PROGRESS_AHEAD, "stream LEDGER")}


async def _leaf(leaves: dict[int, bytes | None], position: int) -> bytes | None:
    return leaves[position]
