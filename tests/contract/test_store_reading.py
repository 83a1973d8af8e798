"""What a log store gives back: streams, pages, filters; on SQLite and on PostgreSQL."""

from consentledger.store.ledger import Entry, Head, Store
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.tree import Edge
from tests.support.stores import append, entry, opened, stream, write


async def three_streams(store: Store) -> list[Entry]:
    entries = [
        entry(1, of=7, version=1),
        entry(2, of=3, version=1, tenant="beta", type="DENIED"),
        entry(3, of=7, version=2, type="WITHDRAWN"),
        entry(4, of=3, version=2, tenant="beta"),
        entry(5, of=5, version=1),
    ]
    await write(store, *entries)
    return entries


async def test_events_after_gives_what_is_newer_by_stream_and_version(store_url: str) -> None:
    async with opened(store_url) as store:
        e1, e2, e3, e4, _ = await three_streams(store)
        async with store.write() as transaction:
            assert await transaction.events_after([(stream(7), 0), (stream(3), 0)]) == [e2, e4, e1, e3]
            assert await transaction.events_after([(stream(7), 1), (stream(3), 2), (stream(9), 0)]) == [e3]
            assert await transaction.events_after([]) == []


async def test_events_after_sees_what_this_transaction_wrote(store_url: str) -> None:
    async with opened(store_url) as store, store.write() as transaction:
        await append(transaction, entry(1))
        assert await transaction.events_after([(stream(1), 0)]) == [entry(1)]
        await append(transaction, entry(2))
        head = transaction.head
        edge = Edge(0, ()).append(leaf_hash(leaf) for leaf in (b"leaf 1", b"leaf 2"))
        assert head == Head(2, 2_000, head.epoch, edge.root(), edge.pack())


async def test_streams_gives_whole_streams_by_stream_and_version(store_url: str) -> None:
    async with opened(store_url) as store:
        e1, e2, e3, e4, _ = await three_streams(store)
        assert await store.streams([stream(7), stream(3), stream(7)]) == [e2, e4, e1, e3]
        assert await store.streams([stream(9)]) == []
        assert await store.streams([]) == []


async def test_entries_are_paged_in_order_and_bounded_on_both_sides(store_url: str) -> None:
    async with opened(store_url) as store:
        e1, e2, e3, e4, e5 = await three_streams(store)
        assert await store.entries(0, 2) == [e1, e2]
        assert await store.entries(2, 2) == [e3, e4]
        assert await store.entries(4, 2) == [e5]
        assert await store.entries(5, 2) == []
        assert await store.entries(1, 10, upto=3) == [e2, e3]
        assert await store.entries(3, 10, upto=3) == []


async def test_entries_can_be_narrowed_by_tenant_and_types(store_url: str) -> None:
    async with opened(store_url) as store:
        e1, e2, e3, e4, e5 = await three_streams(store)
        assert await store.entries(0, 10, tenant="beta") == [e2, e4]
        assert await store.entries(2, 10, tenant="beta") == [e4]
        assert await store.entries(0, 10, types=["WITHDRAWN", "DENIED"]) == [e2, e3]
        assert await store.entries(0, 10, tenant="acme", types=["GRANTED"], upto=4) == [e1]
        assert await store.entries(0, 1, tenant="acme", types=["GRANTED"]) == [e1]
        assert e5 in await store.entries(0, 10, types=["GRANTED"])
        assert await store.entries(0, 10, tenant="nobody") == []
