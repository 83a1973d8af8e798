"""What erasure does to the key store, on SQLite and on PostgreSQL."""

import asyncio
import hashlib
import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from consentledger.store.erased import Destroyed, Order
from consentledger.store.keystore import KeyStore, NewPerson
from consentledger.store.ledger import StoreUnavailable
from tests.contract.test_keystore import everything_in, opened, person

ERASURE = b"e" * 16
REFUSALS = '{"purposes": ["data.sale"]}'


def somebody(number: int, epoch: int = 3, **other: object) -> NewPerson:
    """Somebody whose key is wrapped under an epoch."""
    wrapped = struct.pack(">BI", 1, epoch) + os.urandom(60)
    return replace(person(number, wrapped=wrapped, refusal_blind=blind(number)), **other)  # type: ignore[arg-type]


def blind(number: int) -> bytes:
    """The index of that identifier under the refusals' pepper."""
    return b"r" + number.to_bytes(31, "big")


def order(*people: NewPerson, erasure: bytes = ERASURE, refusals: dict[bytes, str | None] | None = None) -> Order:
    """Their end."""
    return Order("acme", erasure, {one.person: b"told " + one.person for one in people}, refusals or {})


def gone(one: NewPerson, at_us: int, epoch: int = 3) -> Destroyed:
    """What is left of them."""
    return Destroyed(one.person, hashlib.sha256(one.wrapped).digest(), epoch, at_us, b"told " + one.person)


async def test_keys_and_identifiers_go_and_what_they_were_stays(store_url: str) -> None:
    one, two, other = somebody(1), somebody(2, epoch=7), somebody(3)
    async with opened(store_url) as store:
        await store.create([one, two, other])
        destroyed = await store.erased.destroy(order(one, two), 99)
        assert destroyed == sorted([gone(one, 99), gone(two, 99, 7)], key=lambda d: d.person)
        assert await store.wrapped([one.person, two.person, other.person]) == {other.person: other.wrapped}
        assert [i.person for i in await store.identifiers([one.person, two.person, other.person])] == [other.person]
        assert set(await store.find("acme", [one.blind, two.blind, other.blind])) == {other.blind}
    async with opened(store_url) as store:
        assert await store.erased.of(ERASURE) == destroyed
        assert await store.erased.of(b"x" * 16) == []


async def test_destroying_again_changes_nothing_and_tells_what_the_first_did(store_url: str) -> None:
    one = somebody(1)
    async with opened(store_url) as store:
        await store.create([one])
        first = await store.erased.destroy(order(one, refusals={blind(1): REFUSALS}), 99)
        again = replace(order(one), persons={one.person: b"something else"})
        assert await store.erased.destroy(again, 200) == first == [gone(one, 99)]
        assert await store.erased.refusals("acme", [blind(1)]) == {blind(1): REFUSALS}


async def test_a_key_that_is_not_there_any_more_has_no_name(store_url: str) -> None:
    one = somebody(1)
    async with opened(store_url) as store:
        assert await store.erased.destroy(order(one), 9) == [Destroyed(one.person, b"", 0, 9, b"told " + one.person)]


async def test_refusals_are_kept_for_the_tenants_identifier_and_given_to_who_comes_again(store_url: str) -> None:
    one, two = somebody(1), somebody(2)
    async with opened(store_url) as store:
        await store.create([one, two])
        await store.erased.destroy(order(one, refusals={blind(1): REFUSALS}), 99)
        assert await store.erased.refusals("acme", [blind(1), blind(2)]) == {blind(1): REFUSALS}
        assert await store.erased.refusals("other", [blind(1)]) == {}
        assert await store.erased.refusals("acme", []) == {}
        again, stranger = somebody(1), somebody(1, tenant="other")
        made = await store.create([again, stranger])
        assert made["acme", again.blind].refusals == REFUSALS
        assert made["other", stranger.blind].refusals is None
        found = await store.find("acme", [again.blind, two.blind])
        assert (found[again.blind].refusals, found[two.blind].refusals) == (REFUSALS, None)


async def test_a_later_erasure_keeps_what_it_says_and_nothing_else(store_url: str) -> None:
    async with opened(store_url) as store:
        for number, (said, kept) in enumerate([(REFUSALS, REFUSALS), ("{}", "{}"), (None, None)]):
            one = somebody(1)
            await store.create([one])
            await store.erased.destroy(order(one, erasure=bytes([number]) * 16, refusals={blind(1): said}), 99)
            assert (await store.erased.refusals("acme", [blind(1)])).get(blind(1)) == kept


async def test_two_replicas_that_destroy_the_same_keys_agree(postgres_url: str) -> None:
    async with opened(postgres_url) as one, opened(postgres_url) as two:
        for round in range(10):
            people = [somebody(round * 10 + n) for n in range(5)]
            await one.create(people)
            orders = [order(*people, erasure=bytes([round]) * 16, refusals={blind(round): said}) for said in ("1", "2")]
            left, right = await asyncio.gather(one.erased.destroy(orders[0], 1), two.erased.destroy(orders[1], 2))
            assert left == right and len({d.destroyed_us for d in left}) == 1
            kept = (await one.erased.refusals("acme", [blind(round)]))[blind(round)]
            assert kept == str(left[0].destroyed_us), "what the first kept is what stays"


async def test_who_is_made_while_another_is_destroyed_never_misses_the_refusals(postgres_url: str) -> None:
    async with opened(postgres_url) as one, opened(postgres_url) as two:
        for number in range(30):
            old, new = somebody(number), somebody(number)
            await one.create([old])
            destroying = order(old, erasure=number.to_bytes(16, "big"), refusals={blind(number): REFUSALS})
            _, made = await asyncio.gather(one.erased.destroy(destroying, 9), two.create([new]), return_exceptions=True)
            if isinstance(made, StoreUnavailable):  # removed just as it was found: to be asked again
                made = await two.create([new])
            assert not isinstance(made, BaseException)
            winner = made["acme", new.blind]
            assert winner.person == old.person or winner.refusals == REFUSALS


async def test_nothing_of_them_is_left_in_the_files(tmp_path: Path) -> None:
    people = [somebody(n, sealed=os.urandom(40), blind=os.urandom(32)) for n in range(300)]
    async with opened(f"sqlite:///{tmp_path}/keys.db") as store:
        await store.create(people)
        for number in range(0, 40, 4):
            await store.erased.destroy(order(*people[number : number + 4], erasure=number.to_bytes(16, "big")), 99)
        check_gone(tmp_path, people, 40)


@pytest.mark.parametrize("repeat", ["destroy", "scrub"])
async def test_what_a_crash_left_in_the_files_is_cleared_by_doing_it_again(tmp_path: Path, repeat: str) -> None:
    people = [somebody(n, sealed=os.urandom(40), blind=os.urandom(32)) for n in range(50)]
    async with opened(f"sqlite:///{tmp_path}/keys.db") as store:
        await store.create(people)

        async def crash(values: object) -> None:
            raise StoreUnavailable("on purpose")

        scrub, store._database.scrub = store._database.scrub, crash  # type: ignore[method-assign]
        with pytest.raises(StoreUnavailable):
            await store.erased.destroy(order(people[0]), 99)
        assert people[0].wrapped in everything_in(tmp_path), "the log still holds it"
        store._database.scrub = scrub  # type: ignore[method-assign]
        await (store.erased.destroy(order(people[0]), 100) if repeat == "destroy" else store.erased.scrub())
        check_gone(tmp_path, people, 1)
        assert await store.erased.of(ERASURE) == [gone(people[0], 99)]


def check_gone(folder: Path, people: list[NewPerson], count: int) -> None:
    """The first `count` are in no file, all others are: or the search would find nothing in any case."""
    content = everything_in(folder)
    for number, one in enumerate(people):
        assert {value in content for value in (one.wrapped, one.sealed, one.blind)} == {number >= count}, number


async def test_waiting_callers_of_create_are_served_while_keys_are_destroyed(store_url: str) -> None:
    async with opened(store_url) as store:
        people = [somebody(n) for n in range(40)]
        await store.create(people[:20])

        async def make(store: KeyStore, one: NewPerson) -> None:
            assert (await store.create([one]))["acme", one.blind].person == one.person

        await asyncio.gather(
            *(store.erased.destroy(order(p, erasure=p.person), 9) for p in people[:20]),
            *(make(store, p) for p in people[20:]),
        )
        assert set(await store.wrapped([p.person for p in people])) == {p.person for p in people[20:]}
