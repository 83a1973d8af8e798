"""A database whose next write transaction fails, in either of the two ways; the real one stands behind it."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Literal

from consentledger.store.database import Database, Work
from consentledger.store.ledger import OutcomeUnknown, StoreUnavailable

Failure = Literal["not applied", "applied"]


class FailingDatabase:
    """A `Database` that can be told to fail."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._failures: list[Failure | None] = []
        self.failed = 0
        """How many orders were carried out."""

    def fail(self, how: Failure, *, after: int = 0) -> None:
        """Let a transaction fail, before or after it was carried out: the next, or the one after so many."""
        self._failures = [None] * after + [how]

    @contextlib.asynccontextmanager
    async def transaction(self, opening: str) -> AsyncIterator[Work]:
        """A transaction of the real database."""
        how = self._failures.pop(0) if self._failures else None
        self.failed += how is not None
        async with self._database.transaction(opening) as work:
            yield work
            if how == "not applied":
                raise StoreUnavailable("on purpose")
        if how == "applied":
            raise OutcomeUnknown("on purpose")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)
