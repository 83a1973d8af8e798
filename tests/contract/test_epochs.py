"""Wrapping person keys anew and the fence before an epoch's end, on SQLite and on PostgreSQL."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from consentledger.crypto.keyring import FileKeyring
from consentledger.crypto.provider import ProviderUnreachable
from consentledger.store import epochs
from consentledger.store.epochs import Epochs, Held, Rewrapped
from consentledger.store.keystore import KeyStore, NewPerson
from consentledger.store.ledger import StoreUnavailable
from consentledger.store.open import migrate_keystore, open_keystore
from tests.support.failing_database import FailingDatabase, Failure
from tests.support.nats import eventually

KEYS = 25


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[KeyStore]:
    if not url.startswith("sqlite:"):
        await migrate_keystore(url)
    store = await open_keystore(url)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
def ring(tmp_path: Path) -> FileKeyring:
    return FileKeyring.create(tmp_path / "ring" / "keyring.json")


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few keys are several transactions."""
    monkeypatch.setattr(epochs, "AT_ONCE", 7)


def person(ring: FileKeyring, number: int) -> NewPerson:
    who = os.urandom(16)
    return NewPerson("acme", number.to_bytes(32, "big"), who, ring.wrap(key(who), who), "email", b"sealed", 5)


def key(who: bytes) -> bytes:
    return who * 2


def again(ring: FileKeyring) -> Callable[[Held], bytes]:
    return lambda held: ring.wrap(ring.unwrap(held.wrapped, held.person), held.person)


async def filled(store: KeyStore, ring: FileKeyring, keys: int = KEYS) -> list[NewPerson]:
    people = [person(ring, number) for number in range(keys)]
    await store.create(people)
    return people


async def all_open(store: KeyStore, ring: FileKeyring, people: list[NewPerson], epoch: int) -> bool:
    """Whether these people, and nobody else, have the keys that they got, all under that epoch."""
    found = await store.wrapped([one.person for one in people])
    return (
        await store.epochs.count() == len(people)
        and await store.epochs.wrapped_under() == {epoch: len(people)}
        and all(ring.unwrap(found[one.person], one.person) == key(one.person) for one in people)
    )


async def test_every_older_key_is_wrapped_anew_and_the_second_time_none(store_url: str, ring: FileKeyring) -> None:
    async with opened(store_url) as store:
        people = await filled(store, ring)
        ring.roll()
        newer = person(ring, 1_000)
        await store.create([newer])
        assert await store.epochs.wrapped_under() == {1: KEYS, 2: 1}
        seen: list[int] = []
        assert await store.epochs.rewrap(2, again(ring), seen.append) == Rewrapped(KEYS + 1, KEYS, 0)
        assert seen == [7, 14, 21, 26]
        assert await store.epochs.rewrap(2, again(ring)) == Rewrapped(KEYS + 1, 0, 0)
        assert (await store.wrapped([newer.person]))[newer.person] == newer.wrapped
    async with opened(store_url) as store:
        ring.destroy(1)
        assert await all_open(store, ring, [*people, newer], 2)


@pytest.mark.parametrize("how", ["not applied", "applied"])
@pytest.mark.parametrize("lot", [0, 2])
async def test_wrapping_anew_is_finished_by_repeating_it(
    store_url: str, ring: FileKeyring, lot: int, how: Failure
) -> None:
    async with opened(store_url) as store:
        people = await filled(store, ring)
        ring.roll()
        failing = FailingDatabase(store._database)
        failing.fail(how, after=lot)
        with pytest.raises(StoreUnavailable):
            await Epochs(failing).rewrap(2, again(ring))
        done = (lot + (how == "applied")) * 7
        assert failing.failed == 1
        assert await store.epochs.wrapped_under() == ({1: KEYS - done, 2: done} if done else {1: KEYS})
        assert (await store.epochs.rewrap(2, again(ring))).rewrapped == KEYS - done
        assert await all_open(store, ring, people, 2)


async def test_who_is_removed_meanwhile_stays_removed(store_url: str, ring: FileKeyring) -> None:
    async with opened(store_url) as store:
        people = await filled(store, ring)
        ring.roll()
        gone: list[bytes] = []
        pages = store.epochs.pages

        async def raced() -> AsyncIterator[list[Held]]:
            async for page in pages():
                await store.remove([page[0].person])
                gone.append(page[0].person)
                yield page

        store.epochs.pages = raced  # type: ignore[method-assign]
        await store.epochs.rewrap(2, again(ring))
        store.epochs.pages = pages  # type: ignore[method-assign]
        assert len(gone) == 4
        assert await all_open(store, ring, [one for one in people if one.person not in gone], 2)


async def test_a_key_that_was_wrapped_under_a_newer_epoch_meanwhile_is_left(store_url: str, ring: FileKeyring) -> None:
    async with opened(store_url) as store:
        [one] = await filled(store, ring, 1)
        stale = FileKeyring.open(ring._file.path)
        stale.roll()
        older = stale.wrap(key(one.person), one.person)
        ring.roll()
        newer = ring.wrap(key(one.person), one.person)

        def overtaken(held: Held) -> bytes:
            return older

        pages = store.epochs.pages

        async def raced() -> AsyncIterator[list[Held]]:
            async for page in pages():
                await store.epochs._replace([(one.person, one.wrapped, newer)])
                yield page

        store.epochs.pages = raced  # type: ignore[method-assign]
        await store.epochs.rewrap(2, overtaken)
        assert await store.wrapped([one.person]) == {one.person: newer}


async def test_two_at_once_and_new_people_meanwhile_end_with_one_key_each(postgres_url: str, ring: FileKeyring) -> None:
    async with opened(postgres_url) as one, opened(postgres_url) as two:
        people = await filled(one, ring, 100)
        ring.roll()
        newer = [person(ring, 1_000 + number) for number in range(20)]
        await asyncio.gather(
            one.epochs.rewrap(2, again(ring)),
            two.epochs.rewrap(2, again(ring)),
            *(two.create([each]) for each in newer),
        )
        assert await all_open(one, ring, [*people, *newer], 2)


async def test_a_key_that_does_not_open_is_left_and_counted(store_url: str, ring: FileKeyring) -> None:
    async with opened(store_url) as store:
        await filled(store, ring)
        foreign = NewPerson("acme", b"f" * 32, b"f" * 16, ring.wrap(b"k" * 32, b"of another"), "email", b"s", 5)
        unknown = NewPerson("acme", b"u" * 32, b"u" * 16, b"?" * 65, "email", b"s", 5)
        await store.create([foreign, unknown])
        ring.roll()
        assert await store.epochs.rewrap(2, again(ring)) == Rewrapped(KEYS + 2, KEYS, 2)
        assert await store.epochs.wrapped_under() == {epochs.UNKNOWN: 1, 1: 1, 2: KEYS}
        kept = await store.wrapped([foreign.person, unknown.person])
        assert kept == {foreign.person: foreign.wrapped, unknown.person: unknown.wrapped}


async def test_a_provider_that_cannot_be_asked_loses_nothing(store_url: str, ring: FileKeyring) -> None:
    def unreachable(held: Held) -> bytes:
        raise ProviderUnreachable("on purpose")

    async with opened(store_url) as store:
        people = await filled(store, ring)
        with pytest.raises(ProviderUnreachable):
            await store.epochs.rewrap(2, unreachable)
        assert await all_open(store, ring, people, 1)


def files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def test_what_a_key_was_is_in_no_file_afterwards(tmp_path: Path, ring: FileKeyring) -> None:
    async with opened(f"sqlite:///{tmp_path}/keys.db") as store:
        people = await filled(store, ring, 400)
        assert all(one.wrapped in files(tmp_path) for one in people), "or this would find nothing"
        ring.roll()
        await store.epochs.rewrap(2, again(ring))
        content = files(tmp_path)
        assert not any(one.wrapped in content for one in people)


async def test_what_a_crash_left_in_the_files_is_cleared_by_repeating(tmp_path: Path, ring: FileKeyring) -> None:
    async with opened(f"sqlite:///{tmp_path}/keys.db") as store:
        [one] = await filled(store, ring, 1)
        ring.roll()
        async with store._database.transaction("PRAGMA secure_delete=OFF"):
            pass
        await store.epochs._replace([(one.person, one.wrapped, ring.wrap(key(one.person), one.person))])
        await store.epochs.rewrap(2, again(ring))
        assert one.wrapped not in files(tmp_path)


async def test_below_the_floor_no_key_is_taken_in_and_from_it_on_every(store_url: str, ring: FileKeyring) -> None:
    async with opened(store_url) as store:
        stale = person(ring, 1)
        await store.epochs.raise_floor(2)
        with pytest.raises(StoreUnavailable, match="not the newest"):
            await store.create([stale])
        await store.epochs.raise_floor(1)
        with pytest.raises(StoreUnavailable, match="not the newest"):
            await store.create([stale])
        ring.roll()
        fresh = person(ring, 1)
        await store.create([fresh])
        assert await all_open(store, ring, [fresh], 2)
        ring.roll()
        await store.create([person(ring, 2)])
        assert await store.epochs.count() == 2


@pytest.mark.parametrize("how", ["not applied", "applied"])
async def test_a_floor_that_may_have_been_raised_is_raised_by_repeating(
    store_url: str, ring: FileKeyring, how: Failure
) -> None:
    async with opened(store_url) as store:
        failing = FailingDatabase(store._database)
        failing.fail(how)
        with pytest.raises(StoreUnavailable):
            await Epochs(failing).raise_floor(2)
        taken = contextlib.nullcontext() if how == "not applied" else pytest.raises(StoreUnavailable)
        with taken:
            await store.create([person(ring, 1)])
        await Epochs(failing).raise_floor(2)
        with pytest.raises(StoreUnavailable):
            await store.create([person(ring, 2)])


async def test_raising_the_floor_waits_for_who_is_being_added(postgres_url: str, ring: FileKeyring) -> None:
    async with opened(postgres_url) as store:
        watcher = await asyncpg.connect(postgres_url)
        adding = asyncio.Event()
        go_on = asyncio.Event()
        winners = store._winners

        async def slowly(*args):  # type: ignore[no-untyped-def]
            adding.set()
            await go_on.wait()
            return await winners(*args)

        store._winners = slowly  # type: ignore[method-assign]
        try:
            async with opened(postgres_url) as operator:
                added = asyncio.create_task(store.create([person(ring, 1)]))
                await adding.wait()
                raised = asyncio.create_task(operator.epochs.raise_floor(2))
                waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND state = 'active'"

                async def stopped() -> bool:
                    return bool(await watcher.fetchval(waiting))

                await eventually(stopped, 5)
                assert not raised.done() and await operator.epochs.wrapped_under() == {}
                go_on.set()
                await asyncio.wait_for(asyncio.gather(added, raised), 5)
                assert await operator.epochs.wrapped_under() == {1: 1}, "so that it is counted, and not lost"
        finally:
            go_on.set()
            await watcher.close()
