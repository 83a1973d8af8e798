"""The contract of `consentledger.store.guard`, on files and on PostgreSQL."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consentledger.store.guard import BehindGuard, Guard, Guarded, GuardUnavailable
from consentledger.store.guard_file import SLOT_SIZE, FileGuard
from consentledger.store.open import NotAStore, migrate_guard, open_guard

LOG, OTHER = "test.example/consent/01", "test.example/consent/02"


def tree(size: int, root: int | None = None) -> Guarded:
    return Guarded(size, (size if root is None else root).to_bytes(32, "big"))


@pytest.fixture(params=["file", "postgresql"])
def guard_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"file://{tmp_path}/a/guard"


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Guard]:
    await migrate_guard(url)
    guard = await open_guard(url)
    try:
        yield guard
    finally:
        await guard.close()


def only_file(folder: Path) -> Path:
    [file] = folder.iterdir()
    return file


async def test_what_was_kept_is_there_after_reopening(guard_url: str) -> None:
    async with opened(guard_url) as guard:
        assert await guard.read(LOG) is None
        for size in range(7):
            assert await guard.advance(LOG, tree(size)) == tree(size)
    async with opened(guard_url) as guard:
        assert await guard.read(LOG) == tree(6)
        assert await guard.read(OTHER) is None


async def test_it_only_ever_moves_forward(guard_url: str) -> None:
    async with opened(guard_url) as guard:
        await guard.advance(LOG, tree(5))
        assert await guard.advance(LOG, tree(3)) == tree(5)
        assert await guard.advance(LOG, tree(5)) == tree(5)
        assert await guard.read(LOG) == tree(5)


async def test_it_moves_from_what_is_expected_and_from_nothing_else(guard_url: str) -> None:
    async with opened(guard_url) as guard:
        assert await guard.move(LOG, tree(1), tree(2)) is None
        assert await guard.move(LOG, None, tree(1)) == tree(1)
        assert await guard.move(LOG, None, tree(5)) == tree(1)
        assert await guard.move(LOG, tree(1, root=9), tree(5)) == tree(1)
        assert await guard.move(LOG, tree(1), tree(5)) == tree(5)
        assert await guard.move(LOG, tree(1), tree(5)) == tree(5), "moved already"
        assert await guard.read(LOG) == tree(5)


async def test_a_write_that_was_never_synced_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = FileGuard(tmp_path)
    await guard.advance(LOG, tree(1))
    syncs: list[str] = []
    real = os.fdatasync

    def fail(file: int) -> None:
        syncs.append("fails")
        raise OSError(5, "on purpose")

    def count(file: int) -> None:
        syncs.append("done")
        real(file)

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(GuardUnavailable):
        await guard.move(LOG, tree(1), tree(2))
    monkeypatch.setattr(os, "fdatasync", count)
    assert await guard.move(LOG, tree(1), tree(2)) == tree(2)
    assert syncs == ["fails", "done"]
    await guard.close()
    guard = FileGuard(tmp_path)  # whoever had it before may have been killed between the write and the sync
    assert await guard.move(LOG, tree(1), tree(2)) == tree(2)
    assert syncs == ["fails", "done", "done"]
    await guard.close()


async def test_two_roots_of_one_size_are_a_fork(guard_url: str) -> None:
    async with opened(guard_url) as guard:
        await guard.advance(LOG, tree(5))
        with pytest.raises(BehindGuard):
            await guard.advance(LOG, tree(5, root=1))
        assert await guard.read(LOG) == tree(5)


async def test_many_at_once_leave_the_largest(guard_url: str) -> None:
    async with opened(guard_url) as one, opened(guard_url) as other:
        kept = await asyncio.gather(*((one, other)[n % 2].advance(LOG, tree(n)) for n in range(1, 30)))
        assert all(k.size >= n for n, k in enumerate(kept, 1))
        assert await one.read(LOG) == await other.read(LOG) == tree(29)


async def test_a_write_that_a_crash_tore_leaves_the_one_before(tmp_path: Path) -> None:
    for torn in (0, 1, 40, SLOT_SIZE - 1):
        folder = tmp_path / str(torn)
        guard = FileGuard(folder)
        for size in (1, 2, 3):
            await guard.advance(LOG, tree(size))
        await guard.close()
        file = only_file(folder)
        content = bytearray(file.read_bytes())
        newest = SLOT_SIZE  # the third write went to the second slot
        content[newest + torn : newest + SLOT_SIZE] = os.urandom(SLOT_SIZE - torn)
        if torn < 96:  # what lies behind the check is padding
            file.write_bytes(content)
            guard = FileGuard(folder)
            assert await guard.read(LOG) == tree(2)
            assert await guard.advance(LOG, tree(3)) == tree(3)
            await guard.close()
            guard = FileGuard(folder)
            assert await guard.read(LOG) == tree(3)
            await guard.close()


async def test_a_crash_in_the_first_write_ever_promised_nothing(tmp_path: Path) -> None:
    guard = FileGuard(tmp_path)
    await guard.advance(LOG, tree(0))
    await guard.close()
    file = only_file(tmp_path)
    file.write_bytes(bytes(SLOT_SIZE) + b"clguard1 torn")
    guard = FileGuard(tmp_path)
    assert await guard.read(LOG) is None
    await guard.close()


async def test_a_damaged_guard_is_no_empty_one(tmp_path: Path) -> None:
    guard = FileGuard(tmp_path)
    await guard.advance(LOG, tree(1))
    await guard.advance(LOG, tree(2))
    await guard.close()
    file = only_file(tmp_path)
    file.write_bytes(os.urandom(2 * SLOT_SIZE))
    guard = FileGuard(tmp_path)
    with pytest.raises(GuardUnavailable):
        await guard.read(LOG)
    with pytest.raises(GuardUnavailable):
        await guard.advance(LOG, tree(3))
    await guard.close()


async def test_the_guard_of_another_log_is_not_taken_for_this_one(tmp_path: Path) -> None:
    guard = FileGuard(tmp_path)
    await guard.advance(OTHER, tree(4))
    await guard.advance(OTHER, tree(5))
    theirs = only_file(tmp_path).read_bytes()
    await guard.advance(LOG, tree(1))
    await guard.close()
    mine = FileGuard(tmp_path)._file(LOG)
    os.pwrite(mine, theirs, 0)
    os.close(mine)
    guard = FileGuard(tmp_path)
    with pytest.raises(GuardUnavailable):
        await guard.read(LOG)
    await guard.close()


async def test_where_it_cannot_be_kept_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    guard = FileGuard(tmp_path / "file")
    with pytest.raises(GuardUnavailable):
        await guard.advance(LOG, tree(1))
    await guard.close()
    for url in ("file://relative", "mysql://x", "file:///"):
        with pytest.raises(NotAStore):
            await open_guard(url)
