"""The end of grants as events: a grant whose time is over is recorded as ended, and fans out like a withdrawal.

- A check does not depend on it: it looks at the clock. This makes the end known to those who only hear of events.
- Any replica may sweep; the command looks again while it holds the log's head, so a grant ends once.
"""

import asyncio
from collections.abc import Callable

from google.protobuf.message import Message

from consentledger import journal
from consentledger.regimes.model import Regimes
from consentledger.store.committer import Committed, Committer
from consentledger.store.ledger import Store
from consentledger.v1 import consent_service_pb2 as cs
from services.consent.commands import Act, Scene, Who
from services.consent.domain import consent
from services.consent.memory import Aggregates
from services.consent.projection.lookups import due_grants

_log = journal.get("expiry")


class Expiry:
    """Looks for grants that are due."""

    def __init__(
        self,
        store: Store,
        committer: Committer,
        memory: Aggregates,
        regimes: Regimes,
        clock: Callable[[], int],
        *,
        every_seconds: float,
    ) -> None:
        self._store = store
        self._committer = committer
        self._memory = memory
        self._regimes = regimes
        self._clock = clock
        self._every = every_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to sweep."""
        self._task = asyncio.create_task(self._run(), name="expiry")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self) -> int:
        """Record the end of every grant that is due now; how many were."""
        ended = 0
        while due := await due_grants(self._store, self._clock()):
            commands = [self._command(*grant) for grant in due]
            tried = await asyncio.gather(*(self._committer.submit(c) for c in commands), return_exceptions=True)
            results = [r for r in tried if isinstance(r, Committed)]
            failed = [r for r in tried if isinstance(r, BaseException)]
            if failed:
                _log.error("expiry failed", exception=type(failed[0]).__name__, count=len(failed))
            ended += sum(r.answer != b"" for r in results)
            if not any(r.answer for r in results):
                break  # the log's clock is behind ours: they are due here, not yet there
        return ended

    def _command(self, tenant: str, person: bytes, purpose: str, version: int) -> Act:
        def rule(scene: Scene) -> Message:
            done = consent.expire(scene.group(), scene.at, purpose, version)
            return cs.ImportConsentsResponse(written=1 if done else 0)

        return Act(self._memory, self._regimes, tenant, [Who(person, None, None)], rule, None)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            try:
                ended = await self.sweep()
                if ended:
                    _log.info("expired", count=ended)
            except Exception as error:  # whatever it is: the next round must come
                _log.error("expiry failed", exception=type(error).__name__)
