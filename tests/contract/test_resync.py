"""Putting back what a restored log lacks: exactly what was signed, or nothing. On both stores."""

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from consentledger.crypto.keyring import FileKeyring
from consentledger.store.fsck.log import Checked, check_log
from consentledger.store.guard import BehindGuard, Guarded
from consentledger.store.guard_file import FileGuard
from consentledger.store.ledger import Head, Store, StoreUnavailable, Transaction
from consentledger.store.newepoch import begin_epoch
from consentledger.store.reader import open_reader
from consentledger.store.resync import CannotResync, Copy, Resynced, left_sealed, resync
from consentledger.store.schema import log_schema
from consentledger.store.signedlog import SignedLog
from tests.support.sealed_log import ERASED, entries_of, grow, sealed_log, tamper
from tests.support.signed import signed
from tests.support.stores import PROJECTION, opened, stream

FIRST, MORE = 3, 200
"""Persons in the backup, and in all."""
KEPT = 3 * FIRST
ALL = 3 * MORE + 2

Events = list[tuple[int, bytes, bytes | None]]


def keyring(folder: Path) -> FileKeyring:
    return FileKeyring.open_or_create(folder / "keyring.json")


@contextlib.asynccontextmanager
async def reopened(store: Store, folder: Path) -> AsyncIterator[SignedLog]:
    async with signed(store, "consent", keyring(folder), folder) as log:
        yield log


async def copied(log: SignedLog) -> Copy:
    """The log as an export has it."""
    made = await log.checkpoint()
    events: Events = [(e.position, e.leaf, e.ciphertext) for e in await log.store.entries(0, 10_000)]
    return Copy(log.notary.vkeys, made.note, made.size, events)


async def put_back(store: Store, head: Head) -> None:
    """The database as it was, when that was its head."""
    await tamper(store, "DELETE FROM event WHERE position > $1", head.position)
    await tamper(store, "DELETE FROM tile WHERE number >= $1", head.position >> 8)
    await tamper(
        store,
        "UPDATE log_head SET position = $1, recorded_us = $2, root = $3, edge = $4, epoch = $5",
        head.position, head.recorded_us, head.root, head.edge, head.epoch,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def stale(url: str, folder: Path) -> AsyncIterator[tuple[Store, Copy]]:
    """A log that was put back to its first persons, and a copy of all of it."""
    async with opened(url) as store:
        async with sealed_log(store, folder, FIRST) as made:
            before = await store.head()
            entries = []
            for person in range(FIRST + 1, MORE + 1):
                entries += entries_of(person, KEPT + len(entries))
            await grow(made.log, entries)
            copy = await copied(made.log)
        assert (before.position, copy.last) == (KEPT, ALL)
        await put_back(store, before)
        yield store, copy


async def run(store: Store, folder: Path, *copies: Copy, partial: bool = False) -> tuple[Resynced, list[bytes]]:
    """What was done, and the streams that were to be projected."""
    touched: list[bytes] = []

    async def project(_tx: Transaction, streams: Sequence[bytes]) -> None:
        touched.extend(streams)

    guard = FileGuard(folder / "guard")
    try:
        done = await resync(store, keyring(folder), guard, copies, partial=partial, project=project)
    finally:
        await guard.close()
    return done, touched


async def clean(url: str, folder: Path) -> None:
    """fsck finds nothing."""
    reader, guard = await open_reader(url, log_schema("consent", PROJECTION)), FileGuard(folder / "guard")
    try:
        found = Checked("consent")
        [(origin,)] = await reader.fetch("SELECT origin FROM log_name ORDER BY number DESC LIMIT 1")
        await check_log(found, reader, await guard.read(origin), lambda done, of: None)
        assert found.findings.clean, found.findings.firsts
    finally:
        await reader.close()
        await guard.close()


async def test_a_stale_log_becomes_what_was_signed(tmp_path: Path, store_url: str) -> None:
    async with stale(store_url, tmp_path) as (store, copy):
        with pytest.raises(BehindGuard, match=f"{ALL} events were signed, and the database holds {KEPT}"):
            async with reopened(store, tmp_path):
                pass
        done, touched = await run(store, tmp_path, copy)
        assert done == Resynced(KEPT, ALL, ALL)
        assert touched == [stream(person) for person in range(FIRST + 1, MORE + 1)]
        assert [(e.position, e.leaf, e.ciphertext) for e in await store.entries(0, 10_000)] == list(copy.events)
        async with reopened(store, tmp_path) as log:
            await grow(log, entries_of(MORE + 1, ALL))
    await clean(store_url, tmp_path)


async def test_doing_it_again_changes_nothing(tmp_path: Path, store_url: str) -> None:
    async with stale(store_url, tmp_path) as (store, copy):
        await run(store, tmp_path, copy)
        assert await run(store, tmp_path, copy) == (Resynced(ALL, ALL, ALL), [])


async def test_two_parts_are_as_good_as_one(tmp_path: Path, store_url: str) -> None:
    async with stale(store_url, tmp_path) as (store, copy):
        events = list(copy.events)
        parts = [replace(copy, last=300, events=events[:300]), replace(copy, events=events[250:])]
        assert (await run(store, tmp_path, *parts))[0].after == ALL
    await clean(store_url, tmp_path)


def _leaf(events: Events) -> Events:
    position, leaf, ciphertext = events[400]
    changed = bytes([*leaf[:-1], leaf[-1] ^ 1])
    return [*events[:400], (position, changed, ciphertext), *events[401:]]


REFUSED: list[tuple[str, Callable[[Events], Events], str]] = [
    ("a leaf with another bit", _leaf, "not what was signed|cannot be read|not the one"),
    ("the last one is missing", lambda e: e[:-1], "not what was signed"),
    ("one is missing", lambda e: [*e[:300], *e[301:]], "the copy begins at"),
    ("two are swapped", lambda e: [*e[:300], (301, *e[301][1:]), (302, *e[300][1:]), *e[302:]], "not what was signed"),
    ("a leaf that is none", lambda e: [*e[:300], (301, b"\xff\xff", None), *e[301:]], "cannot be read"),
    ("another ciphertext", lambda e: [*e[:9], (10, e[9][1], b"other"), *e[10:]], "not the one that its leaf names"),
    ("no ciphertext", lambda e: [*e[:9], (10, e[9][1], None), *e[10:]], "lacks a ciphertext at position 10"),
    ("it begins too late", lambda e: e[KEPT + 5 :], f"begins at {KEPT + 6}"),
]


@pytest.mark.parametrize(("what", "change", "why"), REFUSED, ids=[case[0] for case in REFUSED])
async def test_a_copy_that_does_not_lead_there_changes_nothing(
    tmp_path: Path, store_url: str, what: str, change: Callable[[Events], Events], why: str
) -> None:
    async with stale(store_url, tmp_path) as (store, copy):
        before = await store.head()
        with pytest.raises((CannotResync, StoreUnavailable), match=why):
            await run(store, tmp_path, replace(copy, events=change(list(copy.events))))
        assert await store.head() == before
        assert len(await store.entries(0, 10_000)) == KEPT


async def test_a_copy_that_ends_before_what_was_signed_is_refused_but_for_a_part(
    tmp_path: Path, store_url: str
) -> None:
    async with opened(store_url) as store:
        async with sealed_log(store, tmp_path, FIRST) as made:
            before = await store.head()
            for person in range(FIRST + 1, FIRST + 9):
                if person != ERASED:
                    await grow(made.log, entries_of(person, made.log.tree.size))
                if person == FIRST + 4:
                    copy = await copied(made.log)
            size = made.log.tree.size
        await put_back(store, before)
        with pytest.raises(CannotResync, match=f"{size} events were signed, and the copy ends at {copy.last}"):
            await run(store, tmp_path, copy)
        done, _ = await run(store, tmp_path, copy, partial=True)
        assert done == Resynced(KEPT, copy.last, size)
        with pytest.raises(BehindGuard):
            async with reopened(store, tmp_path):
                pass
        await put_back(store, before)
        wrong = replace(copy, events=_swap(list(copy.events)))
        with pytest.raises(CannotResync, match="not what was signed"):
            await run(store, tmp_path, wrong, partial=True)


def _swap(events: Events) -> Events:
    return [*events[:-2], (events[-2][0], *events[-1][1:]), (events[-1][0], *events[-2][1:])]


async def test_a_copy_signed_by_somebody_else_is_refused(tmp_path: Path, store_url: str) -> None:
    async with stale(store_url, tmp_path) as (store, copy):
        other = tmp_path / "other"
        other.mkdir()
        async with opened(f"sqlite:///{other / 'a.db'}") as foreign, sealed_log(foreign, other, MORE) as made:
            theirs = await copied(made.log)
        with pytest.raises(CannotResync, match="not signed by this log's key"):
            await run(store, tmp_path, theirs)
        with pytest.raises(CannotResync, match="not signed by this log's key"):
            await run(store, tmp_path, replace(copy, checkpoint=theirs.checkpoint), partial=True)


async def test_a_guard_that_is_lost_leaves_only_a_part_that_is_signed(tmp_path: Path, store_url: str) -> None:
    async with stale(store_url, tmp_path) as (store, copy):
        shutil.rmtree(tmp_path / "guard")
        with pytest.raises(CannotResync, match="knows nothing of this log"):
            await run(store, tmp_path, copy)
        assert (await run(store, tmp_path, copy, partial=True))[0].after == ALL


async def test_a_backup_from_before_a_new_epoch_follows_it(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store:
        async with sealed_log(store, tmp_path, FIRST) as made:
            before = await store.head()
            await grow(made.log, entries_of(4, KEPT))
            old_copy = await copied(made.log)
            origin = made.log.notary.origin
        guard = FileGuard(tmp_path / "guard")
        await guard.advance(origin, Guarded(99, b"r" * 32))
        begun = await begin_epoch(store, "consent", keyring(tmp_path), guard, "lost", lambda: 1)
        await guard.close()
        async with reopened(store, tmp_path) as log:
            await grow(log, entries_of(20, log.tree.size))
            copy = await copied(log)
        then = await store.head()
        await put_back(store, before)
        await tamper(store, "DELETE FROM log_name WHERE number > 1")
        with pytest.raises(BehindGuard, match="from before that"):
            async with reopened(store, tmp_path):
                pass
        with pytest.raises(CannotResync, match="take a copy of it as it is now"):
            await run(store, tmp_path, old_copy, partial=True)
        await run(store, tmp_path, copy)
        assert await store.head() == then
        async with reopened(store, tmp_path) as log:
            assert log.notary.origin == begun.origin
            await grow(log, entries_of(21, log.tree.size))
    await clean(store_url, tmp_path)


async def test_what_is_sealed_of_somebody_erased_since_is_named(tmp_path: Path, store_url: str) -> None:
    """The backup is from before the erasure: it brings the ciphertexts back, and no key opens them."""
    async with stale(store_url, tmp_path) as (store, copy):
        await run(store, tmp_path, copy)
        assert await left_sealed(store) == []
        await tamper(store, "UPDATE event SET ciphertext = leaf WHERE stream = $1 AND version = 1", stream(ERASED))
        left = await left_sealed(store)
        assert left == [stream(ERASED)]
        await store.erase_ciphertexts(left)
        assert await left_sealed(store) == []
