"""Group commit: many concurrent commands, one transaction. No SQL here.

- The transaction holds the log's head from the start, so every command of a batch is decided against everything
  committed before it, by any replica, and against the commands before it in the batch. Nothing is ever retried for a
  version conflict, because there is none.
- Repeats are found inside the transaction: a request_id answered before, or earlier in the same batch, gets the first
  answer, and one that comes with another content is REQUEST_ID_REUSED.
- The tree grows in the same transaction, and a reply leaves when the checkpoint guard has taken note of it (see
  `notary`); meanwhile the next batch is decided already.
- While one batch commits the next one gathers. Under load it then waits a few milliseconds for more; never when idle.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from consentledger.errors import LedgerError, Reason
from consentledger.store.commands import Command, Decided, Memory, Projection, seal
from consentledger.store.ledger import Answered, Entry, Head, NotAsSigned, OutcomeUnknown, RequestKey, Transaction
from consentledger.store.moment import Moment
from consentledger.store.signedlog import SignedLog
from consentledger.tlog.hashing import leaf_hash

Clock: TypeAlias = Callable[[], int]
"""The time in microseconds since the epoch."""

LONGEST_WAIT = 0.004
"""Seconds that a batch waits for more under load: a commit costs about as much for one command as for fifty."""
ALONE, FULL = 2.0, 24.0
"""Batch sizes, on average: up to the first there is no wait, from the second on the longest."""

_Scope: TypeAlias = tuple[str, str, bytes]


@dataclass(frozen=True, slots=True)
class Committed:
    """A durable answer."""

    answer: bytes
    position: int
    """The newest position that the answer reflects."""
    first: int
    last: int
    """The positions that the request wrote, now or when it was first made, inclusive; 0 and 0 if none."""
    repeated: bool
    wrote: bool
    """Whether this call wrote events."""


@dataclass(slots=True)
class _Waiting:
    command: Command
    future: "asyncio.Future[Committed]"


@dataclass(slots=True)
class _Batch:
    """What a transaction has come to so far."""

    events: list[tuple[str, Any]] = field(default_factory=list)
    """(tenant, domain event), for the projection."""
    entries: list[Entry] = field(default_factory=list)
    answers: list[Answered] = field(default_factory=list)
    done: list[tuple[_Waiting, Committed]] = field(default_factory=list)
    refused: list[tuple[_Waiting, LedgerError]] = field(default_factory=list)


class Defect(Exception):
    """A command failed in a way it must not: the batch was rolled back."""


class Committer:
    """The one writer of a log in this process."""

    def __init__(
        self,
        log: SignedLog,
        memory: Memory,
        projection: Projection,
        clock: Clock,
        *,
        max_batch: int = 256,
        max_waiting: int = 8192,
    ) -> None:
        self._log = log
        self._store = log.store
        self._memory = memory
        self._projection = projection
        self._clock = clock
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[Sequence[Entry]], None]] = []
        self._closing = False
        self._size = 1.0

    def on_commit(self, listener: Callable[[Sequence[Entry]], None]) -> None:
        """Call `listener(entries)` after each commit, with what it wrote; it must not block or raise."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Begin to commit."""
        self._task = asyncio.create_task(self._run(), name="committer")

    async def close(self) -> None:
        """Finish what waits, then stop."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def submit(self, command: Command) -> Committed:
        """Commit one command. Raises `LedgerError` when refused, `StoreUnavailable` when the store cannot."""
        if self._closing:
            raise LedgerError(Reason.SHUTTING_DOWN)
        if len(self._waiting) >= self._max_waiting:
            raise LedgerError(Reason.OVERLOADED)
        future: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(command, future))
        self._wake.set()
        return await future

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                await asyncio.sleep(0)  # let every command that is ready now join the batch
            if self._size > ALONE:
                await asyncio.sleep(LONGEST_WAIT * min(1.0, self._size / FULL))
            batch, self._waiting = self._waiting[: self._max_batch], self._waiting[self._max_batch :]
            batch = [w for w in batch if not w.future.cancelled()]  # its caller has gone before anything happened
            self._size += (len(batch) - self._size) * 0.5
            if batch:
                await self._log.notary.room()
                await self._commit(batch)

    async def _commit(self, waiting: Sequence[_Waiting]) -> None:
        touched: set[bytes] = set()
        try:
            async with self._store.write() as tx:
                await self._log.follow(tx)
                result = await self._decide_all(tx, waiting, touched)
                entries = result.entries
                grown = self._log.tree.grow([leaf_hash(e.leaf) for e in entries])
                if entries or result.answers:
                    newest = entries[-1].recorded_us if entries else tx.head.recorded_us
                    head = Head(grown.edge.size, newest, tx.head.epoch, grown.root, grown.edge.pack())
                    await tx.append(entries, result.answers, head, grown.hashes, grown.tiles)
                    await self._projection.write(tx, result.events)
            # The commit point lies behind us: a crash before it left nothing, a crash from here on loses nothing.
        except _Failed as failed:
            self._memory.forget(touched)
            _refuse(failed.waiting, failed.error)
            rest = [w for w in waiting if w is not failed.waiting]
            if rest:
                await self._commit(rest)
            return
        except BaseException as error:
            self._memory.forget(touched)
            for w in waiting:
                _refuse(w, error)
            if not isinstance(error, Exception):
                raise
            return
        for w, refusal in result.refused:
            _refuse(w, refusal)
        covered = self._log.committed(grown)
        if covered.done():
            _release(result, covered)
        else:
            covered.add_done_callback(partial(_release, result))
        if entries:
            for listener in self._listeners:
                listener(entries)

    async def _decide_all(self, tx: Transaction, waiting: Sequence[_Waiting], touched: set[bytes]) -> _Batch:
        keys = [r for w in waiting if (r := w.command.request) is not None]
        answered = {_scope(a.key): a for a in (await tx.answered(keys) if keys else ())}
        await self._load(tx, waiting, touched)
        at = Moment(tx.head.position, max(self._clock(), tx.head.recorded_us + 1), tx.head.epoch)
        result = _Batch()
        for w in waiting:
            request = w.command.request
            before = answered.get(_scope(request)) if request is not None else None
            if before is not None and request is not None:
                _repeat(result, w, request, before, tx.head.position)
                continue
            start = at.position
            try:
                decided = w.command.decide(at)
            except LedgerError as refusal:
                if at.position != start:
                    raise _Failed(w, Defect("a refused command had already changed something")) from refusal
                result.refused.append((w, refusal))
                continue
            except Exception as defect:
                raise _Failed(w, defect) from defect
            self._took(result, w, decided, start, at, answered)
        return result

    @staticmethod
    def _took(
        result: _Batch, w: _Waiting, decided: Decided, start: int, at: Moment, answered: dict[_Scope, Answered]
    ) -> None:
        if len(decided.drafts) != at.position - start:
            raise _Failed(w, Defect("a command must return every event that it made"))
        try:
            result.entries += [seal(d) for d in decided.drafts]
        except Exception as defect:
            raise _Failed(w, defect) from defect
        result.events += [(d.tenant, d.event) for d in decided.drafts]
        first, last = (start + 1, at.position) if decided.drafts else (0, 0)
        result.done.append((w, Committed(decided.answer, at.position, first, last, False, bool(decided.drafts))))
        if w.command.request is not None:
            kept = Answered(w.command.request, decided.stream, first, last, decided.answer, at.recorded_us)
            answered[_scope(kept.key)] = kept
            result.answers.append(kept)

    async def _load(self, tx: Transaction, waiting: Sequence[_Waiting], touched: set[bytes]) -> None:
        """Bring the aggregates up to date; what is loaded may name further streams (persons linked)."""
        while True:
            missing = {s for w in waiting for s in w.command.streams()} - touched
            if not missing:
                return
            touched |= missing
            self._memory.absorb(await tx.events_after(self._memory.known(missing)))


class _Failed(Exception):
    """One command of a batch is at fault; the others deserve another try."""

    def __init__(self, waiting: _Waiting, error: Exception) -> None:
        super().__init__()
        self.waiting = waiting
        self.error = error


def _release(result: _Batch, covered: "asyncio.Future[None]") -> None:
    """Answer, now that the guard has moved; or say that it could not, when the outcome is to be asked for again."""
    failure = covered.exception()
    if isinstance(failure, NotAsSigned):
        failure = OutcomeUnknown("it was committed to a log that is not the one that was signed")
    for w, committed in result.done:
        if failure is not None:
            _refuse(w, failure)
        elif not w.future.done():
            w.future.set_result(committed)


def _scope(key: RequestKey) -> _Scope:
    return key.tenant, key.method, key.request_id


def _repeat(result: _Batch, w: _Waiting, request: RequestKey, before: Answered, position: int) -> None:
    if not before.answer:
        result.refused.append((w, LedgerError(Reason.SUBJECT_ERASED)))
    elif before.key.mac not in (request.mac, b""):  # erasure leaves none: then the id alone tells
        result.refused.append((w, LedgerError(Reason.REQUEST_ID_REUSED)))
    else:
        result.done.append(
            (w, Committed(before.answer, max(before.last, position), before.first, before.last, True, False))
        )


def _refuse(w: _Waiting, error: BaseException) -> None:
    if not w.future.done():
        w.future.set_exception(error)
