"""Many questions in flight, one query at a time (PostgreSQL). Pure scheduling: no SQL.

- A question waits for the query in flight, then goes out with all others that came meanwhile. Under load a short wait,
  at most 2 ms, lets a batch form: replies then leave together, which costs less than answering each alone.
- An idle service does not wait at all.
- A question is answered only from a query that started after it was asked, so the answer is linearizable.
- A caller that has gone does not end the loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")

LONGEST_WAIT = 0.002
"""Seconds."""
FULL = 14.0
"""The batch size at which the wait is longest."""


class Coalescer(Generic[Q, A]):
    """Asks `ask` for many questions at once."""

    def __init__(self, ask: Callable[[Sequence[Q]], Awaitable[Sequence[A]]], *, most: int = 512) -> None:
        self._ask = ask
        self._most = most
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._running: asyncio.Task[None] | None = None
        self._size = 1.0

    async def ask(self, question: Q) -> A:
        """One answer."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="coalescer")
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                if self._size > 2.0:
                    await asyncio.sleep(LONGEST_WAIT * min(1.0, self._size / FULL))
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                batch = [(q, f) for q, f in batch if not f.done()]
                self._size += (len(batch) - self._size) * 0.25
                if batch:
                    await self._answer(batch)
        finally:
            self._running = None
            self._size = max(1.0, self._size)

    async def _answer(self, batch: Sequence[tuple[Q, "asyncio.Future[A]"]]) -> None:
        try:
            answers = await self._ask([q for q, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
