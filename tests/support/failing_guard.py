"""A checkpoint guard that fails when it is told to, in either of the two ways. The real guard stands behind it."""

import asyncio
from typing import Literal

from consentledger.store.guard import Guard, Guarded, GuardUnavailable

Failure = Literal["not applied", "applied"]


class FailingGuard(Guard):
    """A `Guard`. Each order is good for one move."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._orders: list[Failure | None] = []
        self.failures = 0
        """How many orders were carried out."""
        self.signed: list[tuple[str, Guarded]] = []
        """Every move that was asked for, in order."""
        self.gate = asyncio.Event()
        """Moves wait for it."""
        self.gate.set()

    def fail(self, *orders: Failure | None) -> None:
        """Let the next moves fail, before or after they were carried out; None lets one pass."""
        self._orders += orders

    async def read(self, origin: str) -> Guarded | None:
        return await self._guard.read(origin)

    async def move(self, origin: str, expected: Guarded | None, to: Guarded) -> Guarded | None:
        self.signed.append((origin, to))
        await self.gate.wait()
        order = self._orders.pop(0) if self._orders else None
        if order is not None:
            self.failures += 1
        if order == "not applied":
            raise GuardUnavailable("on purpose")
        kept = await self._guard.move(origin, expected, to)
        if order == "applied":
            raise GuardUnavailable("on purpose")
        return kept

    async def close(self) -> None:
        await self._guard.close()
