"""A slow walk over the logs, for ever: what is stored is still what was signed. Reads only.

- Every row is compared with its leaf and every leaf with the tree, at so many events a second over all logs together,
  in pages of a millisecond: calls are not kept waiting. A pass covers what was there when it began.
- A difference is said in the journal, with its class and position, is counted in `metrics`, and stands as an alarm
  until a later pass over the same log finds none. What is served does not change: checks and withdrawals do not depend
  on it, and nothing is signed on top of rows that do not fit (see `logtree`).
- Where it is does not survive a restart, nor a store that fails: the next pass starts at the first position.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf.descriptor import ServiceDescriptor

from consentledger import journal
from consentledger.store.fsck.finding import Finding, Findings, Kind
from consentledger.store.fsck.walk import Walk
from consentledger.store.ledger import StoreUnavailable
from consentledger.store.signedlog import SignedLog

PAGE = 25
BETWEEN_SECONDS = 30.0
"""Between two passes, so that a short log is not walked all the time."""
MOST_SAID = 20
"""Differences of one pass that are said one by one; all are counted."""
_RETRY_SECONDS = 5.0
_journal = journal.get("scrub")


@dataclass(slots=True)
class ScrubMetrics:
    """What came of it, for one log."""

    events: int = 0
    """Looked at since the start."""
    passes: int = 0
    """Finished."""
    position: int = 0
    """Where the present pass is."""
    differences: dict[str, int] = field(default_factory=dict)
    """By class, in the last pass that was finished or, as far as it is, the present one."""


class Scrub:
    """See the module's rules."""

    servicers: Sequence[tuple[ServiceDescriptor, object]] = ()

    def __init__(
        self,
        logs: Mapping[str, SignedLog],
        events_per_second: int,
        tell: Callable[[bool], Awaitable[None]],
        *,
        between: float = BETWEEN_SECONDS,
    ) -> None:
        """`tell(intact)` is called when that changes. No events a second: it does nothing."""
        self._logs = logs
        self._rate = events_per_second
        self._tell = tell
        self._between = between
        self._task: asyncio.Task[None] | None = None
        self.metrics = {name: ScrubMetrics() for name in logs}
        self._damaged: set[str] = set()

    def alarms(self) -> Mapping[str, str]:
        """The logs in which something differs, and the class of the first difference; empty when all is well."""
        return {name: next(iter(self.metrics[name].differences), "") for name in sorted(self._damaged)}

    async def start(self) -> None:
        """Begin, in the background."""
        if self._rate:
            self._task = asyncio.create_task(self._run(), name="scrub")

    async def close(self) -> None:
        """Stop where it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            for name, log in self._logs.items():
                try:
                    await self._pass(name, log)
                except StoreUnavailable:
                    await asyncio.sleep(_RETRY_SECONDS)
                except Exception as error:  # whatever it is: the next pass must come
                    _journal.error("scrub failed", reason=name, exception=type(error).__name__)
                    await asyncio.sleep(_RETRY_SECONDS)
            await asyncio.sleep(self._between)

    async def _pass(self, name: str, log: SignedLog) -> None:
        metrics, said = self.metrics[name], 0

        def heard(finding: Finding) -> None:
            nonlocal said
            said += 1
            if said <= MOST_SAID:
                _journal.error("damaged", reason=name, status=finding.kind.value, position=finding.position)

        findings = Findings(heard=heard)
        # What this process holds, and has compared with the guard: what it signs.
        end = log.tree.now
        walk = Walk(log.store.read, log.store.dialect, findings)
        while walk.position < end.edge.size:
            began = asyncio.get_running_loop().time()
            upto = min(walk.position + PAGE, end.edge.size)
            before = walk.position
            await walk.step(upto)
            metrics.events += upto - before
            metrics.position = walk.position
            if findings.counts:
                await self._found(name, findings)
            took = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(0.0, PAGE / self._rate - took))
        if walk.tree is not None and walk.tree.now.root != end.root:
            findings.add(Kind.ROOT_DIFFERS, walk.position)
        metrics.passes += 1
        await self._found(name, findings)

    async def _found(self, name: str, findings: Findings) -> None:
        """Keep what a pass has found so far; at its end also that it has found nothing."""
        self.metrics[name].differences = {kind.value: count for kind, count in findings.counts.items()}
        before = bool(self._damaged)
        (self._damaged.discard if findings.clean else self._damaged.add)(name)
        if bool(self._damaged) != before:
            if not self._damaged:
                _journal.info("intact again", reason=name)
            await self._tell(not self._damaged)
