"""What a log and a key store need from a database. SQLite and PostgreSQL each have one implementation.

- Every text is shared SQL with `$1` placeholders; every row comes back as a tuple.
- Failures are `StoreUnavailable`, `WriteRefused` and `OutcomeUnknown` of `ledger`; their texts hold an error code,
  never a value. A defect in our own SQL is let through as the driver's exception.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from consentledger.store.dialects import Dialect
from consentledger.store.ledger import Row


class Work(Protocol):
    """An open write transaction."""

    @property
    def first(self) -> Sequence[Row]:
        """The rows of the statement that opened it."""

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        """One query inside it."""

    async def executemany(self, sql: str, rows: Iterable[Row]) -> None:
        """One statement for each row, in order."""


class Database(Protocol):
    """One service's database, open."""

    @property
    def dialect(self) -> Dialect:
        """Which words and placeholders it takes."""

    def transaction(self, opening: str) -> AbstractAsyncContextManager[Work]:
        """A write transaction whose first statement is the query `opening`; COMMIT on leaving it normally."""

    async def read(self, sql: str, *args: Any) -> Sequence[Row]:
        """A small query that sees everything committed before the call."""

    async def scan(self, sql: str, *args: Any) -> Sequence[Row]:
        """The same for a large one: it must not delay the small ones."""

    async def scrub(self, values: Sequence[bytes] | None) -> None:
        """Make deleted values unreadable in the files, as far as the database can. None: it is not known which.

        StoreUnavailable: ask again.
        """

    async def close(self) -> None:
        """Release everything. Never raises."""
