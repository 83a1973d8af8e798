"""Stores for tests: a small projection, made-up entries, and a log that is opened, used and closed."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from consentledger.store.ledger import Answered, Entry, Head, RequestKey, Store, Transaction
from consentledger.store.open import migrate_store, open_store
from consentledger.store.schema import Migration
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.tree import Edge

PROJECTION = (Migration(1, "tally", ("CREATE TABLE tally (name text PRIMARY KEY, amount {int} NOT NULL) {table}",)),)
TALLY = "INSERT INTO tally (name, amount) VALUES ($1, $2)"


@contextlib.asynccontextmanager
async def opened(url: str, migrations: Sequence[Migration] = PROJECTION) -> AsyncIterator[Store]:
    """The log of service `consent` at `url`, migrated; closed afterwards."""
    if not url.startswith("sqlite:"):
        await migrate_store(url, "consent", migrations)
    store = await open_store(url, "consent", migrations)
    try:
        yield store
    finally:
        await store.close()


def stream(number: int) -> bytes:
    """The number as a stream's 16 bytes."""
    return number.to_bytes(16, "big")


def entry(position: int, of: int = 1, version: int | None = None, **other: object) -> Entry:
    """An entry that differs by position; its version is its position unless said otherwise."""
    usual = Entry(
        position=position,
        tenant="acme",
        stream=stream(of),
        version=version or position,
        type="GRANTED",
        recorded_us=position * 1_000,
        leaf=b"leaf %d" % position,
        ciphertext=b"sealed %d" % position,
    )
    return replace(usual, **other)  # type: ignore[arg-type]


def request(number: int, mac: bytes = b"m" * 32, tenant: str = "acme", method: str = "RecordConsent") -> RequestKey:
    """The key of a request."""
    return RequestKey(tenant, method, stream(number), mac)


def answer(number: int, first: int = 0, last: int = 0, **other: object) -> Answered:
    """An answer to the request of that number."""
    usual = Answered(request(number), stream(1), first, last, b"answer %d" % number, number)
    return replace(usual, **other)  # type: ignore[arg-type]


def moved(head: Head, entries: Sequence[Entry]) -> Head:
    """The head after the entries."""
    edge = Edge.unpack(head.position, head.edge).append(leaf_hash(e.leaf) for e in entries)
    return replace(
        head,
        position=head.position + len(entries),
        recorded_us=max([head.recorded_us, *(e.recorded_us for e in entries)]),
        root=edge.root(),
        edge=edge.pack(),
    )


async def append(to: Transaction, *entries: Entry, answers: Sequence[Answered] = ()) -> None:
    """Append within an open transaction."""
    await to.append(entries, answers, moved(to.head, entries), [leaf_hash(e.leaf) for e in entries])


async def write(to: Store, *entries: Entry, answers: Sequence[Answered] = ()) -> None:
    """Append in a transaction of its own."""
    async with to.write() as transaction:
        await append(transaction, *entries, answers=answers)
