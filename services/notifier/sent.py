"""Records that obligations were sent: behind the publisher, in batches, so that sending never waits for it.

- The broker's acknowledgement is what counts. A crash before it is recorded loses nothing: the stream says how far
  sending came, and the rest is recorded at the next start.
"""

import asyncio
from collections.abc import Callable

from consentledger.store.committer import Committer
from consentledger.store.ledger import Store
from services.notifier.commands import MarkSent
from services.notifier.memory import Aggregates
from services.notifier.projection import read

_BATCH = 512


class SentRecorder:
    """`published` tells the last sequence known to be in the stream; `delay`, in seconds, lets batches form."""

    def __init__(
        self,
        store: Store,
        memory: Aggregates,
        committer: Committer,
        published: Callable[[], int],
        *,
        position: int,
        delay: float,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._store = store
        self._memory = memory
        self._committer = committer
        self._published = published
        self._position = position
        self._delay = delay
        self._on_failure = on_failure
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def position(self) -> int:
        """The sequence up to which SENT is recorded."""
        return self._position

    def wake(self) -> None:
        """Call when more was published."""
        self._woken.set()

    async def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run(), name="sent")

    async def stop(self) -> None:
        """Record what is known to be sent, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            await self._record()
        except Exception as failure:
            self._on_failure(failure)

    async def _run(self) -> None:
        while True:
            await self._woken.wait()
            await asyncio.sleep(self._delay)
            self._woken.clear()
            try:
                await self._record()
            except Exception as failure:
                self._on_failure(failure)
                await asyncio.sleep(1.0)
                self._woken.set()

    async def _record(self) -> None:
        upto = self._published()
        while self._position < upto:
            sent = await read.unmarked(self._store, self._position, upto, _BATCH)
            if sent:
                await self._committer.submit(MarkSent(self._memory, sent))
            self._position = sent[-1][1] if len(sent) == _BATCH else upto
