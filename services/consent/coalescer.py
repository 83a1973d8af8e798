"""Many questions in flight, one query at a time. Pure scheduling: no SQL.

- A question waits for the query in flight, then goes out with all others that came meanwhile. Under load a short wait,
  at most 2 ms, lets a batch form: replies then leave together, which costs less than answering each alone.
- An idle service does not wait at all. (On SQLite a batch also hands the interpreter over once and not per question.)
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
ALONE = 2.0
"""Up to this batch size, on average, it counts as quiet."""
LEARN = 0.5
"""How fast the average follows."""
PROBE = 8
"""Every so many questions one goes with those that are ready too, to see whether it is still quiet. (SQLite answers
without giving way, so nothing else would tell.)"""


class Coalescer(Generic[Q, A]):
    """Asks `ask` for many questions at once."""

    def __init__(self, ask: Callable[[Sequence[Q]], Awaitable[Sequence[A]]], *, most: int = 512) -> None:
        self._ask = ask
        self._most = most
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._busy = False
        self._task: asyncio.Task[None] | None = None
        self._size = 1.0
        self._asked = 0

    async def ask(self, question: Q) -> A:
        """One answer."""
        self._asked += 1
        if self._busy or self._size > ALONE or self._asked % PROBE == 0:
            future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
            self._waiting.append((question, future))
            if not self._busy:
                self._busy = True
                self._go_on()
            return await future
        self._busy = True  # nobody waits, and it has been quiet: ask alone, without a task or a future
        try:
            return (await self._ask((question,)))[0]
        finally:
            self._go_on()

    def _go_on(self) -> None:
        if self._waiting:
            self._task = asyncio.create_task(self._run(), name="coalescer")
        else:
            self._busy = False

    async def _run(self) -> None:
        """Until nobody waits. It is never cancelled by a caller who goes: callers wait on futures of their own."""
        try:
            while self._waiting:
                if self._size > ALONE:
                    await asyncio.sleep(LONGEST_WAIT * min(1.0, self._size / FULL))
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                batch = [(q, f) for q, f in batch if not f.done()]
                self._size = max(self._size + (len(batch) - self._size) * LEARN, 1.0)
                if batch:
                    await self._answer(batch)
        finally:
            self._busy = False

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
