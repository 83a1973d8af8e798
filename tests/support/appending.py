"""The write path of a log, bare: committer, tree, notary and guard, with commands that append one event each.

Also a program: `python -m tests.support.appending FOLDER COUNT` opens the log there, says READY, waits for a line, then
appends one after another and says of each what it was told, or why not. With a third argument, `early`, it says so
before it is true: a flaw, for tests that must find one.
"""

import asyncio
import contextlib
import ctypes
import os
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consentledger.crypto.keyring import FileKeyring
from consentledger.store.commands import Decided, Draft
from consentledger.store.committer import Committer
from consentledger.store.guard import Guard
from consentledger.store.guard_file import FileGuard
from consentledger.store.ledger import Entry, RequestKey, Store, StoreUnavailable, Transaction
from consentledger.store.moment import Moment
from consentledger.store.open import open_store
from consentledger.store.signedlog import SignedLog
from consentledger.v1 import events_pb2 as ev
from tests.support.signed import NAME
from tests.support.stores import PROJECTION, request, stream

FIRST_PERSON = 1_000_000
"""The person of the event at position n is this + n."""


class NoMemory:
    """Aggregates, of which there are none."""

    def known(self, streams: Iterable[bytes]) -> list[tuple[bytes, int]]:
        return [(one, 0) for one in streams]

    def absorb(self, entries: Sequence[Entry]) -> None:
        """Nothing is kept."""

    def forget(self, streams: Iterable[bytes]) -> None:
        """Nothing is kept."""


class NoProjection:
    """Tables, of which there are none."""

    async def write(self, tx: Transaction, events: Sequence[tuple[str, Any]]) -> None:
        """Nothing is written."""


@dataclass
class Append:
    """Append the first event of a person."""

    person: int

    @property
    def request(self) -> RequestKey:
        """The same for the same person."""
        return request(self.person)

    def streams(self) -> Iterable[bytes]:
        return ()

    def decide(self, at: Moment) -> Decided:
        position, recorded_us = at.take()
        header = ev.EventHeader(subject_opened=ev.SubjectOpened())
        draft = Draft("acme", stream(self.person), 1, position, recorded_us, None, "subject.opened.v1", header)
        return Decided([draft], stream(self.person), b"answer %d" % position)


@contextlib.asynccontextmanager
async def committing(store: Store, folder: Path, guard: Guard) -> AsyncIterator[tuple[SignedLog, Committer]]:
    """The log of `store` with the keyring in `folder`, and its committer, started."""
    log = await SignedLog.open(store, "consent", FileKeyring.open_or_create(folder / "keyring.json"), guard, NAME)
    clock = iter(range(10**15, 10**16, 1_000))
    committer = Committer(log, NoMemory(), NoProjection(), lambda: next(clock))
    committer.start()
    try:
        yield log, committer
    finally:
        await committer.close()
        await log.close()


def say(line: str) -> None:
    """In one write: a line is told, or it is not."""
    os.write(1, f"{line}\n".encode())


async def main(folder: Path, count: int, *, early: bool) -> None:
    """See the module."""
    store = await open_store(f"sqlite:///{folder / 'consent.db'}", "consent", PROJECTION)
    guard = FileGuard(folder / "guard")
    async with committing(store, folder, guard) as (log, committer):
        say("READY")
        await asyncio.to_thread(sys.stdin.readline)
        first = log.tree.size + 1
        for person in range(FIRST_PERSON + first, FIRST_PERSON + first + count):
            if early:
                say(f"ACK {person - FIRST_PERSON} {person - FIRST_PERSON} ")
            try:
                committed = await committer.submit(Append(person))
                made = await log.checkpoint()
                say(f"ACK {committed.position} {made.size} {made.root.hex()}")
            except StoreUnavailable as failure:
                say(f"FAIL {type(failure).__name__}")
    await guard.close()
    await store.close()


if __name__ == "__main__":
    # So that whoever started us may trace us, where that is restricted to children (PR_SET_PTRACER, any).
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), early="early" in sys.argv[3:]))
