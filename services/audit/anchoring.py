"""Takes one log's checkpoints to its anchors, behind the acknowledgement: no write ever waits for an anchor.

- In rounds: one checkpoint goes to all anchors at once, so that the cosignatures of several witnesses are about the
  same tree. One that hangs is left after `MOST_SECONDS`, and the round ends.
- An anchor that fails is asked again later and later, at most after `LONGEST` seconds.
- What an anchor refuses is loud in the journal each time. For a witness it may mean that the log has forked.
- Evidence is verified before it is kept. Replicas see each other's, and do not ask again for the same tree.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consentledger import journal
from consentledger.store.anchored import Anchored, Newest, newest, record, thin
from consentledger.store.ledger import StoreUnavailable
from consentledger.store.notary import Signed
from consentledger.store.signedlog import SignedLog
from services.audit.anchors import QUORUM, Anchor, AnchorAhead, AnchorRefused, AnchorUnavailable
from services.audit.witnessed import Witnesses

MOST_SECONDS = 20.0
LONGEST = 300.0
THIN_EVERY = 360
"""Rounds."""
_log = journal.get("anchors")


@dataclass(slots=True)
class _Asked:
    """How an anchor has answered so far."""

    anchor: Anchor
    failures: int = 0
    again: float = 0.0
    """Not before this time of the loop's clock."""


class Anchoring:
    """See the module's rules. One for each log; `start`, in the end `close`."""

    def __init__(
        self,
        log: SignedLog,
        anchors: Sequence[Anchor],
        witnesses: Witnesses,
        clock: Callable[[], int],
        every_seconds: float,
    ) -> None:
        """`clock` gives microseconds since the epoch."""
        self._log = log
        self._asked = [_Asked(anchor) for anchor in anchors]
        self._witnesses = witnesses
        self._clock = clock
        self._every = every_seconds
        self._rounds = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless there is no anchor."""
        if self._asked:
            self._task = asyncio.create_task(self._run(), name="anchoring")

    async def close(self) -> None:
        """Stop at once; what was under way is asked for again after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def round(self) -> None:
        """Take the newest checkpoint to every anchor that lacks it and is due; an empty log has none worth it."""
        signed, origin = await self._log.checkpoint(), self._log.notary.origin
        if not signed.size:
            return
        known = await newest(self._log.store, origin)
        due = [asked for asked in self._asked if self._is_due(asked, signed, known)]
        answers = await asyncio.gather(*(self._submit(asked, signed, known) for asked in due))
        if found := [one for one in answers if one is not None]:
            await record(self._log.store, origin, found)
            _log.debug("anchored", position=signed.size, count=len(found))
        last = known.get((QUORUM, ""))
        if last is None or last.size < signed.size:
            await self._witnesses.settle(self._log, signed.size, self._clock())
        self._rounds += 1
        if self._rounds % THIN_EVERY == 0:
            await thin(self._log.store, origin)

    def _is_due(self, asked: _Asked, signed: Signed, known: dict[tuple[str, str], Newest]) -> bool:
        anchor = asked.anchor
        if asked.again > asyncio.get_running_loop().time():
            return False
        last = known.get((anchor.kind, anchor.name))
        if last is None:
            return True
        return last.size < signed.size and last.at_us + anchor.every_seconds * 1_000_000 <= self._clock()

    async def _submit(self, asked: _Asked, signed: Signed, known: dict[tuple[str, str], Newest]) -> Anchored | None:
        anchor = asked.anchor
        last = known.get((anchor.kind, anchor.name))
        try:
            async with asyncio.timeout(MOST_SECONDS):
                evidence = await anchor.submit(signed, last.size if last else 0)
            anchor.verify(signed.note, evidence)
        except (AnchorUnavailable, TimeoutError):
            self._later(asked)
            _log.warning("anchor unavailable", ref=anchor.name, method=anchor.kind, count=asked.failures)
            return None
        except AnchorAhead as ahead:
            if (await self._log.checkpoint()).size >= ahead.size:
                return None  # a replica's; ours is old already
            self._refused(asked, signed, "it has seen more than the log has")
            return None
        except AnchorRefused as refused:
            self._refused(asked, signed, refused.why)
            return None
        except Exception as error:  # a tile that is missing, for one: the other anchors' evidence must not suffer
            self._later(asked)
            _log.error("anchor failed", ref=anchor.name, method=anchor.kind, exception=type(error).__name__)
            return None
        asked.failures, asked.again = 0, 0.0
        return Anchored(signed.size, anchor.kind, anchor.name, signed.note, evidence, self._clock())

    def _refused(self, asked: _Asked, signed: Signed, why: str) -> None:
        self._later(asked)
        _log.error("ANCHOR REFUSED", ref=asked.anchor.name, method=asked.anchor.kind, position=signed.size, reason=why)

    def _later(self, asked: _Asked) -> None:
        asked.failures += 1
        wait = min(LONGEST, self._every * 2 ** min(asked.failures, 16))
        asked.again = asyncio.get_running_loop().time() + wait

    async def _run(self) -> None:
        while True:
            try:
                await self.round()
            except StoreUnavailable as error:
                _log.warning("round failed", exception=type(error).__name__)
            except Exception as error:  # whatever it is: the next round must come
                _log.error("round failed", exception=type(error).__name__)
            await asyncio.sleep(self._every)
