"""A store whose next commit of events fails, in either of the two ways: for tests of what callers are told and do then.

The real store stands behind it. An order is good for one commit that appends events; what only moves the outbox's mark
or remembers an answer does not use it up.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

import pytest

from consentledger.store.ledger import OutcomeUnknown, Store, StoreUnavailable, Transaction
from consentledger.store.open import open_store
from consentledger.store.schema import Migration
from tests.support import consent

Failure = Literal["not applied", "applied"]


class FailingStore:
    """A `Store` that can be told to fail."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next: Failure | None = None
        self._next_erasing: Failure | None = None
        self.failures = 0
        """How many orders were carried out."""

    def fail(self, how: Failure) -> None:
        """Let the next commit of events fail, before or after it was carried out."""
        self._next = how

    def fail_erasing(self, how: Failure) -> None:
        """Let the next removal of ciphertexts fail, likewise."""
        self._next_erasing = how

    async def erase_ciphertexts(self, streams: Sequence[bytes]) -> None:
        """As the real store, or not."""
        how, self._next_erasing = self._next_erasing, None
        self.failures += how is not None
        if how == "not applied":
            raise StoreUnavailable("on purpose")
        await self._store.erase_ciphertexts(streams)
        if how == "applied":
            raise OutcomeUnknown("on purpose")

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


def failing_stores(patch: pytest.MonkeyPatch) -> list[FailingStore]:
    """The stores that `ledger` opens from here on, each of which can be told to fail."""
    opened: list[FailingStore] = []

    async def open_failing(url: str, service: str, migrations: Sequence[Migration]) -> Any:
        opened.append(FailingStore(await open_store(url, service, migrations)))
        return opened[-1]

    patch.setattr(consent, "open_store", open_failing)
    return opened
