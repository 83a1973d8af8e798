"""A log that goes on under a new name: only when it must, in one step, and openly. On both stores."""

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from consentledger.crypto.keyring import FileKeyring
from consentledger.store.binding import bind
from consentledger.store.fsck.log import Checked, check_log
from consentledger.store.guard import CLOSED, BehindGuard, Guarded, GuardUnavailable
from consentledger.store.guard_file import FileGuard
from consentledger.store.ledger import NotAsSigned, OutcomeUnknown, Store, StoreUnavailable
from consentledger.store.logtree import LogDamaged
from consentledger.store.newepoch import Begun, NotBehind, begin_epoch
from consentledger.store.open import open_keystore
from consentledger.store.reader import open_reader
from consentledger.store.schema import log_schema
from consentledger.store.signedlog import SignedLog
from consentledger.tlog.checkpoint import parse_checkpoint
from consentledger.tlog.hashing import EMPTY_ROOT
from consentledger.tlog.note import VerifierKey, open_note
from consentledger.v1.events_pb2 import LedgerEntry
from tests.support.failing_guard import FailingGuard
from tests.support.failing_store import FailingStore
from tests.support.sealed_log import entries_of, grow, sealed_log, tamper
from tests.support.signed import NAME, signed
from tests.support.stores import PROJECTION, opened

KEPT, SIGNED = 29, 35
REASON = "the disk was lost"
NOW_US = 1


def keyring(folder: Path) -> FileKeyring:
    return FileKeyring.open_or_create(folder / "keyring.json")


async def begin(store: Any, folder: Path, guard: Any = None) -> Begun:
    own = guard or FileGuard(folder / "guard")
    try:
        return await begin_epoch(store, "consent", keyring(folder), own, REASON, lambda: NOW_US)
    finally:
        if guard is None:
            await own.close()


@contextlib.asynccontextmanager
async def reopened(store: Store, folder: Path) -> AsyncIterator[SignedLog]:
    async with signed(store, "consent", keyring(folder), folder) as log:
        yield log


async def behind(store: Store, folder: Path) -> str:
    """Make a log of nine persons whose guard knows two more; its name."""
    async with sealed_log(store, folder, 9) as made:
        origin = made.log.notary.origin
    guard = FileGuard(folder / "guard")
    await guard.advance(origin, Guarded(SIGNED, b"r" * 32))
    await guard.close()
    with pytest.raises(BehindGuard):
        async with reopened(store, folder):
            pass
    return origin


async def test_a_log_behind_its_guard_goes_on_under_a_new_name_and_says_so(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store:
        old = await behind(store, tmp_path)
        before = await store.head()
        begun = await begin(store, tmp_path)
        assert (begun.old_origin, begun.signed, begun.kept) == (old, SIGNED, KEPT)
        async with reopened(store, tmp_path) as log:
            made = await log.checkpoint()
            head = await store.head()
            assert log.notary.origin == begun.origin == f"{NAME}/consent/{head.epoch:016x}" != old
            assert head.epoch == log.epoch != before.epoch
            [of_old, of_new] = [VerifierKey.parse(vkey) for vkey in log.notary.vkeys]
            assert (of_old.name, of_new.name) == (old, begun.origin)
            checkpoint = parse_checkpoint(open_note(made.note, [of_new]).text)
            assert (checkpoint.origin, checkpoint.size) == (begun.origin, KEPT + 1)
            await grow(log, entries_of(20, KEPT + 1))
        [entry] = await store.entries(KEPT, 1)
        leaf = LedgerEntry.FromString(entry.leaf)
        assert (entry.tenant, entry.version, entry.type) == ("", 1, "log.epoch_started.v1")
        started = leaf.header.log_epoch_started
        assert (started.old_origin, started.signed_size, started.signed_root) == (old, SIGNED, b"r" * 32)
        assert (started.kept_size, started.reason) == (KEPT, REASON)
        reader = await open_reader(store_url, log_schema("consent", PROJECTION))
        guard = FileGuard(tmp_path / "guard")
        try:
            found = Checked("consent")
            await check_log(found, reader, await guard.read(begun.origin), lambda done, of: None)
            assert found.findings.clean and found.guarded == KEPT + 4
        finally:
            await reader.close()
            await guard.close()


async def test_a_log_that_is_what_its_guard_says_is_left_alone(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store:
        async with sealed_log(store, tmp_path, 9):
            pass
        before = await store.head()
        with pytest.raises(NotBehind, match="is what its guard says"):
            await begin(store, tmp_path)
        assert await store.head() == before


async def test_a_log_that_never_signed_anything_is_left_alone(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store:
        with pytest.raises(NotBehind, match="ever signed"):
            await begin(store, tmp_path)


async def test_a_lost_guard_is_a_reason_and_the_event_says_that_it_was_lost(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store:
        async with sealed_log(store, tmp_path, 9):
            pass
        shutil.rmtree(tmp_path / "guard")
        begun = await begin(store, tmp_path)
        assert (begun.signed, begun.kept) == (0, KEPT)
        async with reopened(store, tmp_path):
            pass


async def test_another_history_of_the_same_length_is_a_reason(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store:
        async with sealed_log(store, tmp_path, 9) as made:
            origin = made.log.notary.origin
        shutil.rmtree(tmp_path / "guard")
        guard = FileGuard(tmp_path / "guard")
        await guard.advance(origin, Guarded(KEPT, b"r" * 32))
        await guard.close()
        await begin(store, tmp_path)
        async with reopened(store, tmp_path):
            pass


async def test_rows_that_do_not_fit_are_not_mended_by_a_new_name(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store:
        await behind(store, tmp_path)
        await tamper(store, "UPDATE event SET leaf = $1 WHERE position = 7", b"another")
        before = await store.head()
        with pytest.raises(LogDamaged):
            await begin(store, tmp_path)
        assert await store.head() == before


async def test_an_older_backup_is_refused_after_it_too(tmp_path: Path) -> None:
    old, url = tmp_path / "old.db", f"sqlite:///{tmp_path / 'a.db'}"
    async with opened(url) as store:
        await behind(store, tmp_path)
    shutil.copy(tmp_path / "a.db", old)
    async with opened(url) as store:
        await begin(store, tmp_path)
        async with reopened(store, tmp_path) as log:
            await grow(log, entries_of(20, KEPT + 1))
        newer = tmp_path / "newer.db"
    shutil.copy(tmp_path / "a.db", newer)
    async with opened(url) as store, reopened(store, tmp_path) as log:
        await grow(log, entries_of(21, KEPT + 4))
    for stale, why in ((old, "from before that"), (newer, "36 events were signed")):
        async with opened(f"sqlite:///{stale}") as store:
            with pytest.raises(BehindGuard, match=why):
                async with reopened(store, tmp_path):
                    pass
            if stale is old:
                with pytest.raises(BehindGuard, match="from before that"):
                    await begin(store, tmp_path)


async def _kept(folder: Path, origin: str) -> Guarded | None:
    guard = FileGuard(folder / "guard")
    try:
        return await guard.read(origin)
    finally:
        await guard.close()


async def test_key_store_and_keyring_still_belong_to_it(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store:
        await behind(store, tmp_path)
        keystore = await open_keystore(f"sqlite:///{tmp_path / 'own.db'}")
        try:
            await store.read("SELECT 1")
            async with store.write() as tx:
                await tx.executemany("DELETE FROM bound_to", [()])
            name, _ = await keystore.bind((await store.head()).epoch, b"n" * 16)
            await _tie(store, name, tmp_path)
            await begin(store, tmp_path)
            await bind(store, keystore, keyring(tmp_path))
        finally:
            await keystore.close()


async def _tie(store: Store, name: bytes, folder: Path) -> None:
    """As `bind` does it for a log that has no events yet."""
    import hmac

    epoch = (await store.head()).epoch
    check = hmac.digest(keyring(folder).derive("store.key-check"), name + epoch.to_bytes(8, "big"), "sha256")
    async with store.write() as tx:
        await tx.executemany("INSERT INTO bound_to (only_row, keystore, key_check) VALUES (1, $1, $2)", [(name, check)])


Fault = Callable[[FailingGuard, FailingStore], None]
FAULTS: list[tuple[str, Fault, type[Exception]]] = [
    ("the guard does not take the name", lambda g, s: g.fail("not applied"), GuardUnavailable),
    ("the guard takes the name and fails", lambda g, s: g.fail("applied"), GuardUnavailable),
    ("the commit fails", lambda g, s: s.fail("not applied"), StoreUnavailable),
    ("the commit happens and fails", lambda g, s: s.fail("applied"), OutcomeUnknown),
    ("the guard does not move", lambda g, s: g.fail(None, "not applied"), GuardUnavailable),
    ("the guard moves and fails", lambda g, s: g.fail(None, "applied"), GuardUnavailable),
    ("the old name is not closed", lambda g, s: g.fail(None, None, "not applied"), GuardUnavailable),
    ("the old name is closed and it fails", lambda g, s: g.fail(None, None, "applied"), GuardUnavailable),
]


@pytest.mark.parametrize(("what", "fault", "error"), FAULTS, ids=[fault[0] for fault in FAULTS])
async def test_cut_off_anywhere_it_is_still_the_old_log_or_the_new_one(
    tmp_path: Path, store_url: str, what: str, fault: Fault, error: type[Exception]
) -> None:
    async with opened(store_url) as store:
        old = await behind(store, tmp_path)
        failing_guard, failing_store = FailingGuard(FileGuard(tmp_path / "guard")), FailingStore(store)
        try:
            fault(failing_guard, failing_store)
            with pytest.raises(error):
                await begin(failing_store, tmp_path, failing_guard)
            assert failing_guard.failures + failing_store.failures == 1
            if (await store.head()).position == KEPT:
                with pytest.raises(NotAsSigned):
                    async with reopened(store, tmp_path):
                        pass
                begun = await begin(store, tmp_path, failing_guard)
                assert begun.old_origin == old
            else:
                with pytest.raises(NotBehind):
                    await begin(store, tmp_path, failing_guard)
        finally:
            await failing_guard.close()
        async with reopened(store, tmp_path) as log:
            assert len(log.notary.vkeys) == 2 and log.tree.size == KEPT + 1
            await grow(log, entries_of(20, KEPT + 1))
        assert await _kept(tmp_path, old) == CLOSED
        roots: dict[tuple[str, int], bytes] = {}
        for origin, tree in failing_guard.signed:
            assert roots.setdefault((origin, tree.size), tree.root) == tree.root
            assert tree.size or tree.root == EMPTY_ROOT
