"""A key store whose next destruction of keys fails, in either of the two ways. The real one stands behind it."""

from typing import Any

import pytest

from consentledger.store.erased import Destroyed, Order
from consentledger.store.keystore import KeyStore
from consentledger.store.ledger import OutcomeUnknown, StoreUnavailable
from consentledger.store.open import open_keystore
from tests.support import consent
from tests.support.failing_store import Failure


class FailingErased:
    """What a key store does for erasure, that can be told to fail at destroying keys."""

    def __init__(self, keystore: KeyStore) -> None:
        self._erased = keystore.erased
        self._next: Failure | None = None
        self.failures = 0
        """How many orders were carried out."""
        keystore.erased = self  # type: ignore[assignment]

    def fail(self, how: Failure) -> None:
        """Let the next destruction fail, before or after it was carried out."""
        self._next = how

    async def destroy(self, order: Order, now_us: int) -> list[Destroyed]:
        """As the real one, or not."""
        how, self._next = self._next, None
        self.failures += how is not None
        if how == "not applied":
            raise StoreUnavailable("on purpose")
        destroyed = await self._erased.destroy(order, now_us)
        if how == "applied":
            raise OutcomeUnknown("on purpose")
        return destroyed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._erased, name)


def failing_keys(patch: pytest.MonkeyPatch) -> list[FailingErased]:
    """The key stores that `ledger` opens from here on, each of which can be told to fail."""
    opened: list[FailingErased] = []

    async def open_failing(url: str) -> KeyStore:
        keystore = await open_keystore(url)
        opened.append(FailingErased(keystore))
        return keystore

    patch.setattr(consent, "open_keystore", open_failing)
    return opened
