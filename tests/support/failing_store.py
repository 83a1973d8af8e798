"""A store whose next commit of events fails, in either of the two ways: for tests of what callers are told and do then.

The real store stands behind it. An order is good for one commit that appends events; what only moves the outbox's mark
or remembers an answer does not use it up.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Literal

from consentledger.store.ledger import OutcomeUnknown, Store, StoreUnavailable, Transaction

Failure = Literal["not applied", "applied"]


class FailingStore:
    """A `Store` that can be told to fail."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next: Failure | None = None
        self.failures = 0
        """How many orders were carried out."""

    def fail(self, how: Failure) -> None:
        """Let the next commit of events fail, before or after it was carried out."""
        self._next = how

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """A transaction of the real store."""
        how: Failure | None = None
        async with self._store.write() as transaction:
            before = transaction.head.position
            yield transaction
            if transaction.head.position > before and self._next is not None:
                how, self._next = self._next, None
                self.failures += 1
                if how == "not applied":
                    raise StoreUnavailable("on purpose")
        if how == "applied":
            raise OutcomeUnknown("on purpose")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
