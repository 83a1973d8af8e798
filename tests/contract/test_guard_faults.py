"""The guard in the write path: it fails before or after it moved, or the process ends between COMMIT and the guard.

What is not guarded is not acknowledged. What was committed stays, and asking again finds it.
"""

import asyncio
from pathlib import Path

import pytest

from consentledger.store.guard import BehindGuard, Guarded, GuardUnavailable
from consentledger.store.guard_file import FileGuard
from consentledger.store.ledger import StoreUnavailable
from tests.support.appending import Append, committing
from tests.support.failing_guard import FailingGuard, Failure
from tests.support.nats import eventually
from tests.support.stores import opened


def guard_in(folder: Path) -> FailingGuard:
    return FailingGuard(FileGuard(folder / "guard"))


@pytest.mark.parametrize("how", ["not applied", "applied"])
async def test_a_write_whose_guard_failed_is_not_acknowledged_and_is_found_when_asked_again(
    tmp_path: Path, store_url: str, how: Failure
) -> None:
    async with opened(store_url) as store:
        guard = guard_in(tmp_path)
        async with committing(store, tmp_path, guard) as (log, committer):
            first = await committer.submit(Append(1))
            before = await log.checkpoint()
            guard.fail(how)
            with pytest.raises(GuardUnavailable):
                await committer.submit(Append(2))
            assert guard.failures == 1
            assert (await store.head()).position == 2, "the commit had happened"
            if how == "not applied":
                assert await guard.read(log.notary.origin) == Guarded(before.size, before.root)
            again = await committer.submit(Append(2))
            assert (again.position, again.repeated, again.wrote) == (2, True, False)
            assert again.answer == b"answer 2" and first.answer == b"answer 1"
            now = await log.checkpoint()
            assert now.size == 2 and await guard.read(log.notary.origin) == Guarded(2, now.root)
        await guard.close()


@pytest.mark.parametrize("how", ["not applied", "applied"])
async def test_nothing_is_signed_that_the_guard_has_not_taken_note_of(
    tmp_path: Path, store_url: str, how: Failure
) -> None:
    async with opened(store_url) as store:
        guard = guard_in(tmp_path)
        async with committing(store, tmp_path, guard) as (log, committer):
            await committer.submit(Append(1))
            guard.fail(how, how, how)
            with pytest.raises(GuardUnavailable):
                await committer.submit(Append(2))
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await log.checkpoint()
            made = await log.checkpoint()
            assert made.size == 2
        await guard.close()


async def test_a_process_that_ends_between_commit_and_guard_leaves_a_log_that_starts_and_answers(
    tmp_path: Path, store_url: str
) -> None:
    async with opened(store_url) as store:
        guard = guard_in(tmp_path)
        async with committing(store, tmp_path, guard) as (log, committer):
            await committer.submit(Append(1))
            signed = await log.checkpoint()
            guard.gate.clear()  # the guard never hears of what follows
            asked = asyncio.create_task(committer.submit(Append(2)))

            async def committed() -> bool:
                return (await store.head()).position == 2

            await eventually(committed)
            assert not asked.done(), "not acknowledged before the guard has moved"
            assert await guard.read(log.notary.origin) == Guarded(signed.size, signed.root)
            asked.cancel()
            assert log.notary._moving is not None
            log.notary._moving.cancel()
        await guard.close()

        guard = guard_in(tmp_path)
        async with committing(store, tmp_path, guard) as (log, committer):
            now = await log.checkpoint()
            assert now.size == 2 and await guard.read(log.notary.origin) == Guarded(2, now.root)
            again = await committer.submit(Append(2))
            assert (again.position, again.repeated) == (2, True)
        await guard.close()


async def test_writes_go_on_while_the_guard_is_slow_and_all_are_acknowledged_in_the_end(
    tmp_path: Path, store_url: str
) -> None:
    async with opened(store_url) as store:
        guard = guard_in(tmp_path)
        async with committing(store, tmp_path, guard) as (_, committer):
            guard.gate.clear()
            first = asyncio.create_task(committer.submit(Append(1)))
            others = []
            for person in range(2, 30):
                others.append(asyncio.create_task(committer.submit(Append(person))))
                await asyncio.sleep(0)

            async def committed() -> bool:
                return (await store.head()).position == 29

            await eventually(committed)
            assert not any(task.done() for task in (first, *others))
            guard.gate.set()
            done = await asyncio.gather(first, *others)
            assert [one.last for one in done] == list(range(1, 30))
            sizes = [tree.size for _, tree in guard.signed]
            assert sizes == sorted(sizes) and len(sizes) < 20, "moves are shared"
        await guard.close()


async def test_a_guard_that_holds_another_tree_of_the_size_stops_every_acknowledgement(
    tmp_path: Path, store_url: str
) -> None:
    """Another process has signed something else under this name: a restored copy that ran, say."""
    async with opened(store_url) as store:
        guard = guard_in(tmp_path)
        async with committing(store, tmp_path, guard) as (log, committer):
            await committer.submit(Append(1))
            await guard.advance(log.notary.origin, Guarded(2, b"r" * 32))
            with pytest.raises(StoreUnavailable):
                await committer.submit(Append(2))
            with pytest.raises(BehindGuard):
                await committer.submit(Append(3))
            with pytest.raises(BehindGuard):
                await log.checkpoint()
            assert (await store.head()).position == 2, "nothing more is written on top"
        await guard.close()
        guard = guard_in(tmp_path)
        with pytest.raises(BehindGuard):
            async with committing(store, tmp_path, guard):
                pass
        await guard.close()
