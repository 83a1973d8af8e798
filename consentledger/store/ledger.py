"""What a ledger store is: the contract that SQLite and PostgreSQL both keep.

No SQL here; the conformance suite in `tests/contract` runs against every implementation. The rules:

- One store holds one log. Positions are gapless from 1; a committed entry never changes.
- A write transaction holds the log head from its first moment to its end: whoever is inside is alone, over all
  processes, and sees everything committed before. There are therefore no version conflicts between writers; the unique
  keys (position) and (stream, version) only fence a store that is used wrongly.
- Leaving the `write()` block normally is COMMIT, and returning from it means durable. Leaving it by an exception is
  ROLLBACK. When the outcome of COMMIT cannot be known, it raises `OutcomeUnknown`: the transaction may have happened.
- Shared SQL uses `$1` placeholders, `bytes` for UUIDs and int64 microseconds since the epoch for times.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from consentledger.store.dialects import Dialect
from consentledger.tlog.hashing import EMPTY_ROOT

Row = tuple[Any, ...]


class StoreUnavailable(Exception):
    """The store cannot be reached or is full. Nothing was written."""


class WriteRefused(StoreUnavailable):
    """The database refused by a rule of its own (unique key, fence, append-only). Nothing was written; a defect."""


class NotAsSigned(StoreUnavailable):
    """The database is not what was signed: damaged, or put back to an older state. Nothing was written."""


class OutcomeUnknown(StoreUnavailable):
    """COMMIT was sent and no answer came. It may have happened."""


class SchemaTooOld(Exception):
    """The database's schema is not the one this version needs: run the migration command."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as stored."""

    position: int
    """Place in the log, gapless from 1."""
    tenant: str
    stream: bytes
    """The aggregate's UUID, 16 bytes."""
    version: int
    """Place in the stream, gapless from 1."""
    type: str
    recorded_us: int
    leaf: bytes
    """The bytes of the `LedgerEntry`, verbatim."""
    ciphertext: bytes | None
    """The sealed personal payload; None if there never was one or it was erased."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log ends."""

    position: int
    recorded_us: int
    """The newest `recorded_at`; the next entry's is strictly greater."""
    epoch: int
    """Random 63-bit id made with the log, so that a token of another log is recognised."""
    root: bytes = EMPTY_ROOT
    """The root of the tree over the leaves 1 to `position`, 32 bytes."""
    edge: bytes = b""
    """The tree's right edge, packed; see `tlog.tree.Edge`. Empty also in a log from before it had a tree."""


@dataclass(frozen=True, slots=True)
class FullTile:
    """256 hashes of the tree, written once, when the last of them is known."""

    level: int
    number: int
    hashes: bytes
    """8,192 bytes."""


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Which request: the scope in which a request_id is unique, and the keyed MAC of its content."""

    tenant: str
    method: str
    request_id: bytes
    """16 bytes."""
    mac: bytes
    """32 bytes; equal exactly when the request is the same."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a request: kept beside the events it wrote, in the same transaction."""

    key: RequestKey
    stream: bytes
    """The person or other aggregate it was about, 16 bytes, so that erasure can find it; may be empty."""
    first: int
    last: int
    """Positions written, inclusive; 0 and 0 if none."""
    answer: bytes
    """The answer without anything personal; empty once that person was erased. No answer is empty otherwise."""
    recorded_us: int


class Transaction(Protocol):
    """An open write transaction that holds the log head."""

    @property
    def head(self) -> Head:
        """The head as it was when the lock was taken."""

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        """Run one query inside the transaction."""

    async def executemany(self, sql: str, rows: Iterable[Row]) -> None:
        """Run one statement for each row, in order."""

    async def events_after(self, known: Sequence[tuple[bytes, int]]) -> Sequence[Entry]:
        """All entries of the streams given whose version is greater than the one given, by (stream, version)."""

    async def answered(self, keys: Sequence[RequestKey]) -> Sequence[Answered]:
        """What is recorded for (tenant, method, request_id) of these keys, whatever the MAC."""

    async def append(
        self,
        entries: Sequence[Entry],
        answers: Sequence[Answered],
        head: Head,
        hashes: Sequence[bytes],
        tiles: Sequence[FullTile] = (),
    ) -> None:
        """Write entries, answers and full tiles, and move the head. Positions follow the old head without a gap.

        `hashes` are the leaf hashes that the new root stands on. They are compared with hashes of the rows as the
        database holds them now: WriteRefused if one differs.
        """


class Store(Protocol):
    """One service's durable store."""

    @property
    def dialect(self) -> Dialect:
        """Which words and placeholders it takes."""

    def write(self) -> AbstractAsyncContextManager[Transaction]:
        """A write transaction; see the module's rules."""

    async def read(self, sql: str, *args: Any) -> Sequence[Row]:
        """One query on one snapshot that holds everything committed before the call (linearizable)."""

    async def head(self) -> Head:
        """The committed head."""

    async def entries(
        self, after: int, limit: int, *, upto: int | None = None, tenant: str | None = None, types: Sequence[str] = ()
    ) -> Sequence[Entry]:
        """Entries with position > `after` (and <= `upto`), ascending, at most `limit`, narrowed by tenant and types."""

    async def leaves(
        self, after: int, limit: int, *, upto: int, tenant: str | None, types: Sequence[str] = ()
    ) -> Sequence[tuple[int, bytes]]:
        """(position, leaf) of the same entries: all that a replay hands out, at a third of the cost."""

    async def streams(self, streams: Sequence[bytes]) -> Sequence[Entry]:
        """All entries of the streams, by (stream, version)."""

    async def erase_ciphertexts(self, streams: Sequence[bytes]) -> None:
        """Remove what is sealed in the streams, from the files too as far as the database can; leaves stay.

        Safe to repeat; on StoreUnavailable it must be repeated.
        """

    async def close(self) -> None:
        """Release everything. Never raises."""
