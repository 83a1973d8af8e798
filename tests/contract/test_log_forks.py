"""A database that is not the one that was signed: older, another, or a fork of it. It is refused, early or late."""

import asyncio
from pathlib import Path

import pytest

from consentledger.crypto.keyring import FileKeyring
from consentledger.store.guard import BehindGuard, Guarded
from consentledger.store.guard_file import FileGuard
from consentledger.store.ledger import Store
from consentledger.store.logtree import LogTree, LogWentBack
from consentledger.store.notary import Notary
from consentledger.store.signedlog import SignedLog
from consentledger.tlog.hashing import leaf_hash
from tests.support.signed import NAME, grow, log_of, root
from tests.support.stores import entry, moved, opened


async def test_a_database_that_is_behind_its_guard_is_refused(tmp_path: Path) -> None:
    """The control: with a guard that knows nothing newer, the same database starts."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    async with opened(f"sqlite:///{new}") as store, log_of(store, tmp_path) as log:
        await grow(log, 5)
        kept = await log.notary.guarded()
    new.rename(old)
    old.with_name("copy.db").write_bytes(old.read_bytes())
    async with opened(f"sqlite:///{old}") as store, log_of(store, tmp_path) as log:
        await grow(log, 5)
    async with opened(f"sqlite:///{tmp_path}/copy.db") as store:
        with pytest.raises(BehindGuard, match="10 events were signed, and the database holds 5"):
            async with log_of(store, tmp_path):
                pass
        provider = FileKeyring.open(tmp_path / "keyring.json")
        other = FileGuard(tmp_path / "other guard")
        assert kept is not None
        await other.advance(f"{NAME}/consent/{(await store.head()).epoch:016x}", kept)
        log = await SignedLog.open(store, "consent", provider, other, NAME)
        assert log.tree.size == 5
        await log.close()
        await other.close()


async def test_another_history_of_the_same_length_is_refused(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/one.db") as store:
        async with log_of(store, tmp_path) as log:
            await grow(log, 5)
            origin = log.notary.origin
        guard = FileGuard(tmp_path / "guard")
        await guard.close()
        for file in (tmp_path / "guard").iterdir():
            file.unlink()
        guard = FileGuard(tmp_path / "guard")
        await guard.advance(origin, Guarded(3, bytes(32)))
        await guard.close()
        with pytest.raises(BehindGuard, match="the first 3 events are not those that were signed"):
            async with log_of(store, tmp_path):
                pass


async def test_a_lost_guard_is_not_a_new_one(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store:
        async with log_of(store, tmp_path) as log:
            await grow(log, 2)
        for file in (tmp_path / "guard").iterdir():
            file.unlink()
        with pytest.raises(BehindGuard, match="knows nothing of this log"):
            async with log_of(store, tmp_path):
                pass


async def test_a_database_put_back_under_a_running_process_is_noticed(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store, log_of(store, tmp_path) as log:
        await grow(log, 3)
        ahead = log.tree.grow([bytes(32)])
        log.tree.adopt(ahead)
        with pytest.raises(LogWentBack):
            await grow(log, 1)


async def put_back(log: SignedLog, store: Store) -> None:
    """What a failover to a copy that lags does to a process that goes on running."""
    log.store = log.prover._store = store


async def test_a_fork_on_a_copy_that_lags_is_never_signed_and_never_overtakes(tmp_path: Path) -> None:
    one, copy = tmp_path / "one.db", tmp_path / "copy.db"
    async with opened(f"sqlite:///{one}") as store, log_of(store, tmp_path) as log:
        await grow(log, 90)
        idle = log.tree.now
    copy.write_bytes(one.read_bytes())
    async with opened(f"sqlite:///{one}") as store, log_of(store, tmp_path) as log:
        await grow(log, 1)
        signed = await log.checkpoint()
        await grow(log, 9)
        async with opened(f"sqlite:///{copy}") as lagging:
            # A replica that saw nothing beyond 90, whose database is the copy from now on, and whose guard is the same.
            guard = FileGuard(tmp_path / "guard")
            notary = Notary(
                [log.notary.origin], FileKeyring.open(tmp_path / "keyring.json"), guard,
                Guarded(90, idle.root), lambda kept: replica._continues(kept),
            )  # fmt: skip
            replica = SignedLog("consent", lagging, log.epoch, LogTree(idle))
            replica.notary = notary
            with pytest.raises(BehindGuard):
                await fork(replica, 1)
            assert (await lagging.head()).position == 91, "the commit that found it out is never acknowledged"
            for _ in range(15):
                with pytest.raises(BehindGuard):
                    await fork(replica, 1)
            assert (await lagging.head()).position == 91, "and nothing more is written"
            with pytest.raises(BehindGuard):
                await replica.checkpoint()
            with pytest.raises(BehindGuard):
                replica.floor()
            await guard.close()
        assert (await log.notary.guarded()) == Guarded(100, root(100))
        assert signed.size == 91


async def fork(log: SignedLog, count: int) -> None:
    async with log.store.write() as tx:
        await log.follow(tx)
        first = tx.head.position + 1
        entries = [entry(n, leaf=b"forked %d" % n) for n in range(first, first + count)]
        grown = log.tree.grow([leaf_hash(e.leaf) for e in entries])
        await tx.append(entries, (), moved(tx.head, entries), grown.hashes, grown.tiles)
    await log.committed(grown)


async def test_a_database_put_back_is_not_answered_from(tmp_path: Path) -> None:
    one, copy = tmp_path / "one.db", tmp_path / "copy.db"
    async with opened(f"sqlite:///{one}") as store, log_of(store, tmp_path) as log:
        await grow(log, 5)
    copy.write_bytes(one.read_bytes())
    async with opened(f"sqlite:///{one}") as store, log_of(store, tmp_path) as log:
        await grow(log, 5)
        assert log.floor() == 10
        async with opened(f"sqlite:///{copy}") as lagging:
            await put_back(log, lagging)
            with pytest.raises(LogWentBack):
                await log.checkpoint()
            await put_back(log, store)


async def test_an_idle_process_notices_that_another_has_signed_what_it_does_not_have(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/one.db") as store, log_of(store, tmp_path) as log:
        await grow(log, 5)
        other = FileGuard(tmp_path / "guard")
        await other.advance(log.notary.origin, Guarded(9, bytes(32)))
        await other.close()
        with pytest.raises(BehindGuard):
            await log.notary.watch()
        with pytest.raises(BehindGuard):
            log.floor()


async def test_replicas_that_start_under_load_are_not_taken_for_stale_ones(tmp_path: Path, postgres_url: str) -> None:
    async with opened(postgres_url) as one, opened(postgres_url) as other, log_of(one, tmp_path) as busy:
        stop = False

        async def work() -> None:
            while not stop:
                await grow(busy, 1)

        task = asyncio.create_task(work())
        try:
            for _ in range(20):
                async with log_of(other, tmp_path) as late:
                    assert late.tree.size > 0
        finally:
            stop = True
            await task
