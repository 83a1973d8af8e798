"""Messages about an erased person leave ENFORCE: they were the one place of ours where identifiers stood in clear.

- Who ended is noted in our database before the position moves past it, so that a crash loses nobody.
- A person is purged once everything that was numbered when they ended is in the stream: what is sent later, if
  anything, finds no identifier any more. Purging twice does no harm.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from consentledger.bus.connection import Bus
from consentledger.bus.errors import BusError
from consentledger.bus.streams import purge_subject
from consentledger.client.subjects import enforce_subject
from consentledger.journal import Journal
from consentledger.store.ledger import Store, StoreUnavailable
from consentledger.v1 import events_pb2 as ev
from services.notifier.dispatch import subject_token
from services.notifier.projection import ended, read

KEY_DESTROYED = b"key.destroyed.v1"
_MOST_DOWNSTREAMS = 10_000


@dataclass(frozen=True, slots=True)
class Ended:
    """A person whose key is gone."""

    tenant: str
    person: bytes


def ended_in(leaf: bytes) -> Ended | None:
    """Who ended by this ledger entry; None for nearly all."""
    if KEY_DESTROYED not in leaf:  # it is the last of its stream, one in thousands
        return None
    try:
        entry = ev.LedgerEntry.FromString(leaf)
    except DecodeError:
        return None
    if entry.header.WhichOneof("kind") != "key_destroyed":
        return None
    return Ended(entry.tenant, entry.stream)


class Purges:
    """Looks every `every` seconds and when woken. `published` tells the last sequence known to be in the stream."""

    def __init__(
        self, bus: Bus, store: Store, token_key: bytes, published: Callable[[], int], *, every: float, journal: Journal
    ) -> None:
        self._bus = bus
        self._store = store
        self._key = token_key
        self._published = published
        self._every = every
        self._journal = journal
        self._woken = asyncio.Event()
        self._waiting = True
        self._task: asyncio.Task[None] | None = None

    async def note(self, gone: Sequence[Ended]) -> None:
        """Remember these, and purge them as soon as can be. Durable on return."""
        await ended.note(self._store, [(one.person, one.tenant) for one in gone])
        self._waiting = True
        self._woken.set()

    def wake(self) -> None:
        """More is in the stream."""
        if self._waiting:
            self._woken.set()

    async def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run(), name="purges")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def round(self) -> int:
        """Purge everybody who can be; how many they were. Raises BusError or StoreUnavailable."""
        done = 0
        for person, tenant in await ended.due(self._store, self._published()):
            for downstream in await read.downstreams(self._store, tenant, "", _MOST_DOWNSTREAMS):
                token = subject_token(self._key, tenant, downstream.id, person)
                await purge_subject(self._bus, "ENFORCE", enforce_subject(tenant, downstream.id, token))
            await ended.done(self._store, person)
            done += 1
        self._waiting = False
        self._waiting |= await ended.any_left(self._store)
        return done

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self._bus.wait_connected(60)
                if done := await self.round():
                    self._journal.info("notifier.purged", count=done)
            except (BusError, StoreUnavailable) as failure:
                self._journal.warning("notifier.purge_failed", exception=type(failure).__name__)
            try:
                async with asyncio.timeout(self._every):
                    await self._woken.wait()
            except TimeoutError:
                pass
