"""Each durable write on PostgreSQL fails in two ways: not applied, and applied but reported failed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import pytest

from consentledger.store import postgres_server
from consentledger.store.ledger import OutcomeUnknown, Store, StoreUnavailable
from consentledger.store.open import open_store
from consentledger.store.postgres import PostgresStore
from tests.support import postgres as launcher
from tests.support.stores import PROJECTION, append, entry, opened, write
from tests.support.tcp_proxy import TcpProxy

pytestmark = pytest.mark.fault


@contextlib.asynccontextmanager
async def through_proxy(url: str) -> AsyncIterator[tuple[Store, TcpProxy]]:
    """A migrated store that is reached through a proxy."""
    parts = urlsplit(url)
    async with opened(url), TcpProxy(parts.hostname or "", parts.port or 5432) as proxy:
        netloc = f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}"
        through = urlunsplit(parts._replace(netloc=netloc, query="sslmode=disable"))
        store = await PostgresStore.open(through, "consent", PROJECTION)
        try:
            yield store, proxy
        finally:
            await store.close()


async def test_a_connection_cut_before_commit_is_reported_unknown_and_nothing_happened(postgres_url: str) -> None:
    async with through_proxy(postgres_url) as (store, proxy):
        await write(store, entry(1))
        proxy.cut_before(b"COMMIT\0")
        with pytest.raises(OutcomeUnknown):
            await write(store, entry(2))
        assert proxy.cuts == 1
        assert (await store.head()).position == 1
        await write(store, entry(2))
        assert await store.entries(0, 10) == [entry(1), entry(2)]


async def test_a_connection_cut_after_commit_is_reported_unknown_and_it_happened(postgres_url: str) -> None:
    async with through_proxy(postgres_url) as (store, proxy):
        await write(store, entry(1))
        proxy.cut_after(b"COMMIT\0")
        with pytest.raises(OutcomeUnknown):
            await write(store, entry(2))
        assert proxy.cuts == 1
        assert await store.entries(0, 10) == [entry(1), entry(2)]
        await write(store, entry(3))


async def test_a_connection_cut_earlier_is_surely_not_applied(postgres_url: str) -> None:
    async with through_proxy(postgres_url) as (store, proxy):
        proxy.cut_before(b"INSERT INTO event")
        with pytest.raises(StoreUnavailable) as failure:
            await write(store, entry(1))
        assert not isinstance(failure.value, OutcomeUnknown)
        assert (await store.head()).position == 0
        await write(store, entry(1))


async def test_a_connection_cut_before_anything_was_written_is_replaced_unnoticed(postgres_url: str) -> None:
    async with through_proxy(postgres_url) as (store, proxy):
        proxy.cut_before(b"FOR UPDATE")
        await write(store, entry(1))
        assert proxy.cuts == 1
        assert await store.entries(0, 10) == [entry(1)]


async def test_connections_lost_while_idle_are_replaced_unnoticed(postgres_url: str) -> None:
    async with through_proxy(postgres_url) as (store, proxy):
        await write(store, entry(1))
        await asyncio.gather(*(store.head() for _ in range(4)))
        proxy.cut_all()
        assert (await store.head()).position == 1
        proxy.cut_all()
        await write(store, entry(2))
        assert (await store.head()).position == 2


async def test_a_backend_ended_inside_a_transaction_is_surely_not_applied(
    postgres: launcher.External, postgres_url: str
) -> None:
    async with opened(postgres_url) as store:
        with pytest.raises(StoreUnavailable) as failure:
            async with store.write() as transaction:
                await append(transaction, entry(1))
                [(backend,)] = await transaction.fetch("SELECT pg_backend_pid()")
                await asyncio.to_thread(postgres.run, f"SELECT pg_terminate_backend({backend}, 5000)")
                await transaction.fetch("SELECT 1")
        assert not isinstance(failure.value, OutcomeUnknown)
        assert (await store.head()).position == 0
        await write(store, entry(1))


async def test_a_writer_that_stalls_inside_a_transaction_is_cut_off_and_cannot_commit(postgres_url: str) -> None:
    async with opened(postgres_url) as stalled, opened(postgres_url) as other:
        inside, released = asyncio.Event(), asyncio.Event()

        async def stall() -> None:
            async with stalled.write() as transaction:
                await transaction.fetch("SET LOCAL idle_in_transaction_session_timeout = 100")
                await append(transaction, entry(1, leaf=b"stalled"))
                inside.set()
                await released.wait()

        task = asyncio.create_task(stall())
        await asyncio.wait_for(inside.wait(), 10)
        await asyncio.wait_for(write(other, entry(1, leaf=b"other")), 10)
        released.set()
        with pytest.raises(StoreUnavailable):
            await task
        assert [one.leaf for one in await other.entries(0, 10)] == [b"other"]


async def test_two_replicas_take_turns_on_one_log(postgres_url: str) -> None:
    async with opened(postgres_url) as one, opened(postgres_url) as two:

        async def writer(store: Store) -> None:
            for _ in range(20):
                async with store.write() as transaction:
                    assert await transaction.fetch("SELECT count(*) FROM event") == [(transaction.head.position,)]
                    await append(transaction, entry(transaction.head.position + 1))

        await asyncio.gather(writer(one), writer(two))
        assert [e.position for e in await one.entries(0, 100)] == list(range(1, 41))
        assert await one.head() == await two.head()


async def test_a_waiting_replica_is_told_when_the_head_stays_locked(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres_server.WRITING, "lock_timeout", "50")
    async with opened(postgres_url) as one, opened(postgres_url) as two, one.write():
        with pytest.raises(StoreUnavailable, match="55P03"):
            await write(two, entry(1))


async def test_a_commit_that_stops_waiting_for_its_standby_is_reported_unknown() -> None:
    with launcher.server(own=True) as pg:
        assert isinstance(pg, launcher.Postgres)
        url = pg.database()
        async with opened(url) as store:
            await write(store, entry(1))
            pg.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody_there'")
            pg.run("SELECT pg_reload_conf()")
            waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            task = asyncio.create_task(write(store, entry(2)))
            while not await asyncio.to_thread(pg.run, waiting):
                assert not task.done(), "COMMIT did not wait for a standby"
            with pytest.raises(OutcomeUnknown, match="standby"):
                await task


async def test_acknowledged_writes_survive_a_killed_server() -> None:
    with launcher.server(own=True, settings={"synchronous_commit": "off"}) as pg:
        assert isinstance(pg, launcher.Postgres)
        url = pg.database()
        async with opened(url) as store:
            for round in range(3):
                acknowledged = (await store.head()).position
                with contextlib.suppress(StoreUnavailable):
                    async with asyncio.timeout(30):
                        for position in range(acknowledged + 1, acknowledged + 200):
                            await write(store, entry(position))
                            acknowledged = position
                            if position % 200 == 40 + 50 * round:
                                await asyncio.to_thread(pg.kill)
                with pytest.raises(StoreUnavailable):
                    await store.head()
                await asyncio.to_thread(pg.start)
                head = (await store.head()).position
                assert head in (acknowledged, acknowledged + 1)
                assert [e.position for e in await store.entries(0, 1_000)] == list(range(1, head + 1))


async def test_a_server_that_cannot_be_reached_is_unavailable_and_no_password_is_told(postgres_url: str) -> None:
    parts = urlsplit(postgres_url)
    for netloc in ("postgres:secret@127.0.0.1:1", f"postgres:secret@127.0.0.1:{parts.port}"):
        with pytest.raises(StoreUnavailable) as failure:
            await open_store(urlunsplit(parts._replace(netloc=netloc)), "consent", ())
        assert "secret" not in str(failure.value)
    with pytest.raises(ValueError, match="begins with") as refusal:
        await open_store("mysql://me:secret@host/db", "consent", ())
    assert "secret" not in str(refusal.value)


async def test_commits_are_synced_even_if_the_server_is_set_not_to(
    postgres_url: str, postgres: launcher.External
) -> None:
    database = urlsplit(postgres_url).path[1:]
    await asyncio.to_thread(postgres.run, f'ALTER DATABASE "{database}" SET synchronous_commit = off')
    async with opened(postgres_url) as store, store.write() as transaction:
        assert await transaction.fetch("SHOW synchronous_commit") == [("on",)]
