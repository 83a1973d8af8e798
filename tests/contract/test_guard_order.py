"""COMMIT, the guard moves, then notes and answers leave: in this order, also when the guard is slow or fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consentledger.crypto.keyring import FileKeyring
from consentledger.store import notary
from consentledger.store.guard import Guarded, GuardUnavailable
from consentledger.store.guard_file import FileGuard
from consentledger.store.ledger import Store
from consentledger.store.signedlog import SignedLog
from tests.support.signed import NAME, grow
from tests.support.stores import opened


class SlowGuard(FileGuard):
    """Moves when it is told to, or fails."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.go = asyncio.Event()
        self.go.set()
        self.failure: Exception | None = None
        self.moves = 0

    async def move(self, origin: str, expected: Guarded | None, to: Guarded) -> Guarded | None:
        await self.go.wait()
        if self.failure is not None:
            raise self.failure
        self.moves += 1
        return await super().move(origin, expected, to)


async def committed(store: Store, position: int) -> None:
    async with asyncio.timeout(10):
        while (await store.head()).position < position:  # noqa: ASYNC110 - a commit rings no bell here
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def slow(tmp_path: Path, store: Store) -> AsyncIterator[tuple[SignedLog, SlowGuard]]:
    guard = SlowGuard(tmp_path / "guard")
    log = await SignedLog.open(store, "consent", FileKeyring.open_or_create(tmp_path / "keyring.json"), guard, NAME)
    try:
        yield log, guard
    finally:
        guard.go.set()
        await log.close()
        await guard.close()


async def test_nothing_is_signed_or_answered_before_the_guard_has_moved(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store, slow(tmp_path, store) as (log, guard):
        guard.go.clear()
        first = asyncio.create_task(grow(log, 4))
        await committed(store, 4)
        assert log.notary.checkpoint().size == 0 and not log.notary.covers(4)
        later = [asyncio.create_task(grow(log, 1)) for _ in range(3)]
        await committed(store, 7)
        assert not first.done() and not any(task.done() for task in later)
        before = guard.moves
        guard.go.set()
        await asyncio.gather(first, *later)
        assert guard.moves - before <= 2, "moves that wait are one move"
        assert log.notary.checkpoint().size == 7


async def test_a_guard_that_hangs_holds_up_the_next_commits_instead_of_piling_them_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notary, "GUARD_SECONDS", 0.05)
    monkeypatch.setattr(notary, "MOST_WAITING", 3)
    async with opened(f"sqlite:///{tmp_path}/one.db") as store, slow(tmp_path, store) as (log, guard):
        guard.go.clear()
        answers = []
        for _ in range(20):
            await log.notary.room()
            assert len(log.notary._waiting) <= 3
            answers.append(asyncio.create_task(grow(log, 1)))
            await asyncio.sleep(0)
        outcomes = await asyncio.gather(*answers, return_exceptions=True)
        assert all(isinstance(outcome, GuardUnavailable) for outcome in outcomes)


async def test_a_guard_that_fails_answers_nothing_and_the_next_move_covers_all(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store, slow(tmp_path, store) as (log, guard):
        guard.failure = GuardUnavailable("on purpose")
        with pytest.raises(GuardUnavailable):
            await grow(log, 2)
        assert (await store.head()).position == 2 and log.notary.checkpoint().size == 0
        guard.failure = None
        await grow(log, 1)
        assert log.notary.checkpoint().size == 3
