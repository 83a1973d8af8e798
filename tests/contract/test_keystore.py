"""The key store's contract, on SQLite and on PostgreSQL."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from consentledger.store.keystore import Created, Identifier, KeyStore, Known, NewPerson
from consentledger.store.ledger import OutcomeUnknown, StoreUnavailable
from consentledger.store.open import migrate_keystore, open_keystore
from tests.support.tcp_proxy import TcpProxy


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[KeyStore]:
    if not url.startswith("sqlite:"):
        await migrate_keystore(url)
    store = await open_keystore(url)
    try:
        yield store
    finally:
        await store.close()


def person(blind: int, created_us: int = 5, **other: object) -> NewPerson:
    """Somebody new, seen by the identifier of that number; every call makes up another person."""
    usual = NewPerson("acme", blind.to_bytes(32, "big"), os.urandom(16), os.urandom(65), "email", b"sealed", created_us)
    return replace(usual, **other)  # type: ignore[arg-type]


def known(one: NewPerson) -> Known:
    return Known(one.person, one.wrapped, one.created_us)


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_a_created_person_is_found_by_tenant_and_blind_index_also_after_reopening(store_url: str) -> None:
    one, two = person(1), person(2)
    async with opened(store_url) as store:
        assert await store.create([one, two]) == {
            (one.tenant, one.blind): known(one),
            (two.tenant, two.blind): known(two),
        }
    async with opened(store_url) as store:
        assert await store.find("acme", [two.blind, one.blind, b"?" * 32]) == {
            one.blind: known(one),
            two.blind: known(two),
        }
        assert await store.find("other", [one.blind]) == {}
        assert await store.find("acme", []) == {}
        assert await store.create([]) == {}


async def test_a_blind_index_keeps_its_first_person(store_url: str) -> None:
    first, second = person(1), person(1)
    async with opened(store_url) as store:
        await store.create([first])
        assert await store.create([second]) == {("acme", first.blind): known(first)}
        assert await store.wrapped([first.person, second.person]) == {first.person: first.wrapped}
        assert await store.identifiers([second.person]) == []


async def test_tenants_share_nothing(store_url: str) -> None:
    one, other = person(1), person(1, tenant="other")
    async with opened(store_url) as store:
        await store.create([one, other])
        assert await store.find("acme", [one.blind]) == {one.blind: known(one)}
        assert await store.find("other", [one.blind]) == {one.blind: known(other)}


async def test_callers_at_once_all_get_the_one_winner(store_url: str) -> None:
    async with opened(store_url) as store:
        answers = await asyncio.gather(*(store.create([person(n % 5), person(5 + n % 3)]) for n in range(60)))
        for answer in answers:
            for (tenant, blind), winner in answer.items():
                assert await store.find(tenant, [blind]) == {blind: winner}
        assert len(await store.orphans(1_000, 100)) == 8


async def test_creating_at_once_shares_transactions(store_url: str) -> None:
    async with opened(store_url) as store:
        entered = 0
        transaction = store._database.transaction

        def counted(opening: str):  # type: ignore[no-untyped-def]
            nonlocal entered
            entered += 1
            return transaction(opening)

        store._database.transaction = counted  # type: ignore[method-assign]
        await asyncio.gather(*(store.create([person(n)]) for n in range(200)))
        assert entered <= 3


async def test_two_replicas_racing_for_the_same_persons_agree(postgres_url: str) -> None:
    async with opened(postgres_url) as one, opened(postgres_url) as two:
        for round in range(10):
            blinds = range(round * 20, round * 20 + 20)
            left, right = await asyncio.gather(
                one.create([person(n) for n in blinds]), two.create([person(n) for n in reversed(blinds)])
            )
            assert left == right
            assert await one.find("acme", [blind for _, blind in left]) == {key[1]: who for key, who in left.items()}


async def test_a_cancelled_caller_does_not_disturb_the_others(store_url: str) -> None:
    async with opened(store_url) as store:
        kept, gone = person(1), person(2)
        tasks = [asyncio.create_task(store.create([one])) for one in (gone, kept)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        assert await asyncio.wait_for(tasks[1], 5) == {("acme", kept.blind): known(kept)}
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]


async def test_identifiers_of_a_person_can_be_narrowed_to_a_namespace(store_url: str) -> None:
    mail, phone = person(1, sealed=b"mail"), person(2, namespace="phone", sealed=b"phone")
    async with opened(store_url) as store:
        await store.create([mail, phone])
        both = [mail.person, phone.person]
        assert sorted(await store.identifiers(both), key=lambda one: one.namespace) == [
            Identifier(mail.person, "email", b"mail"), Identifier(phone.person, "phone", b"phone"),
        ]  # fmt: skip
        assert await store.identifiers(both, "phone") == [Identifier(phone.person, "phone", b"phone")]
        assert await store.identifiers([]) == []


async def test_a_removed_person_is_gone_and_the_identifier_may_get_another(store_url: str) -> None:
    gone, kept, again = person(1), person(2), person(1)
    async with opened(store_url) as store:
        await store.create([gone, kept])
        await store.remove([gone.person])
        await store.remove([gone.person])
        assert await store.find("acme", [gone.blind, kept.blind]) == {kept.blind: known(kept)}
        assert await store.wrapped([gone.person]) == {}
        assert await store.identifiers([gone.person]) == []
        assert await store.create([again]) == {("acme", again.blind): known(again)}


async def test_nothing_of_a_removed_person_is_left_in_the_files(tmp_path: Path) -> None:
    people = [replace(person(n, sealed=os.urandom(40)), blind=os.urandom(32)) for n in range(900)]
    async with opened(f"sqlite:///{tmp_path}/keys.db") as store:
        await store.create(people)
        await store.remove([one.person for one in people[:300]])
        for one in people[300:310]:
            await store.remove([one.person])
        content = everything_in(tmp_path)
    for number, one in enumerate(people):
        found = {value in content for value in (one.wrapped, one.sealed, one.blind)}
        assert found == {number >= 310}


async def test_a_copy_that_overwriting_missed_is_looked_for_and_written_over(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/keys.db") as store:
        people = [person(n) for n in range(50)]
        await store.create(people)
        async with store._database.transaction("PRAGMA secure_delete=OFF"):
            pass
        await store.remove([people[0].person])
        content = everything_in(tmp_path)
        assert people[0].wrapped not in content
        assert people[1].wrapped in content


async def test_removing_again_clears_what_a_crash_left_behind(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/keys.db") as store:
        people = [person(n) for n in range(50)]
        await store.create(people)
        gone = people[0]
        async with store._database.transaction("PRAGMA secure_delete=OFF") as work:
            await work.executemany("DELETE FROM person_key WHERE person = $1", [(gone.person,)])
        await store.remove([gone.person])
        assert gone.wrapped not in everything_in(tmp_path)


async def test_removing_says_so_when_the_write_ahead_log_could_not_be_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consentledger.store.sqlite_file.BUSY_TIMEOUT_MS", 50)
    async with opened(f"sqlite:///{tmp_path}/keys.db") as store:
        one = person(1)
        await store.create([one])
        reader = store._database._scan_connections.get()  # type: ignore[attr-defined]
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM person_key").fetchall()
        with pytest.raises(StoreUnavailable):
            await store.remove([one.person])
        reader.execute("COMMIT")
        await store.remove([one.person])
        assert one.wrapped not in everything_in(tmp_path)


async def test_orphans_are_those_created_in_a_window_oldest_first(store_url: str) -> None:
    people = [person(n, created_us=n) for n in range(10)]
    async with opened(store_url) as store:
        await store.create(list(reversed(people)))
        expected = [Created(one.person, "acme", one.created_us) for one in people]
        assert await store.orphans(4, 100) == expected[:4]
        assert await store.orphans(8, 3, after_us=2) == expected[2:5]
        assert await store.orphans(0, 100) == []


async def test_more_people_than_one_statement_takes(store_url: str) -> None:
    people = [person(n) for n in range(2_500)]
    async with opened(store_url) as store:
        await store.create(people)
        found = await store.find("acme", [one.blind for one in people] * 2)
        assert found == {one.blind: known(one) for one in people}
        assert len(await store.wrapped([one.person for one in people])) == 2_500


async def test_a_closed_key_store_refuses(store_url: str) -> None:
    async with opened(store_url) as store:
        await store.close()
        with pytest.raises(StoreUnavailable):
            await store.find("acme", [b"?" * 32])
        with pytest.raises(StoreUnavailable):
            await store.create([person(1)])


@pytest.mark.fault
@pytest.mark.parametrize("applied", [False, True])
async def test_creating_again_after_an_unknown_outcome_gives_one_person(postgres_url: str, applied: bool) -> None:
    parts = urlsplit(postgres_url)
    async with opened(postgres_url), TcpProxy(parts.hostname or "", parts.port or 5432) as proxy:
        netloc = f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}"
        store = await open_keystore(urlunsplit(parts._replace(netloc=netloc, query="sslmode=disable")))
        try:
            first, second = person(1), person(1)
            (proxy.cut_after if applied else proxy.cut_before)(b"COMMIT\0")
            with pytest.raises(OutcomeUnknown):
                await store.create([first])
            expected = known(first if applied else second)
            assert await store.create([second]) == {("acme", first.blind): expected}
        finally:
            await store.close()
