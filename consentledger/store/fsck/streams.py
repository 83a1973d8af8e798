"""The log once more, stream by stream: versions without gaps, in the log's order, and nothing left after erasure."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from consentledger.store.fsck.finding import Findings, Kind
from consentledger.store.fsck.walk import DESTROYED, ERASED
from consentledger.store.ledger import Entry
from consentledger.store.schema import ENTRY
from consentledger.store.tiles import Read

AT_ONCE = 4_000
"""Entries in one page; a stream is never cut in two, so a longer one makes a longer page."""
_PAGE = f"SELECT {ENTRY} FROM event WHERE (stream, version) > ($1, $2) ORDER BY stream, version LIMIT {AT_ONCE}"


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream, whole."""

    id: bytes
    entries: Sequence[Entry]
    """By version."""
    sealed: bool
    """Whether something of it is still sealed under the person's key."""
    erased: bool
    destroyed: bool

    @property
    def last(self) -> int:
        """The newest position."""
        return max(entry.position for entry in self.entries)


async def streams(read: Read) -> AsyncIterator[list[Stream]]:
    """Every stream once, by id."""
    held: list[Entry] = []
    after: tuple[bytes, int] = (b"", 0)
    while rows := await read(_PAGE, *after):
        page = [*held, *(Entry(*row) for row in rows)]
        after = (page[-1].stream, page[-1].version)
        last = page[-1].stream
        held = []
        if len(rows) == AT_ONCE:  # the last stream may go on
            while page and page[-1].stream == last:
                held.append(page.pop())
            held.reverse()
        if page:
            yield [_stream(id, list(some)) for id, some in groupby(page, key=_id)]
        if len(rows) < AT_ONCE:
            return
    if held:
        yield [_stream(held[0].stream, held)]


def check(stream: Stream, findings: Findings) -> None:
    """Look at one."""
    expected, before = 1, 0
    for entry in stream.entries:
        if entry.version != expected:
            findings.add(Kind.STREAM_GAP, entry.position)
        if entry.position <= before:
            findings.add(Kind.STREAM_ORDER, entry.position)
        expected, before = entry.version + 1, entry.position
        if stream.destroyed and entry.ciphertext is not None:
            findings.add(Kind.CIPHERTEXT_LEFT, entry.position)


def _id(entry: Entry) -> bytes:
    return entry.stream


def _stream(id: bytes, entries: Sequence[Entry]) -> Stream:
    types = {entry.type for entry in entries}
    sealed = any(entry.ciphertext is not None for entry in entries)
    return Stream(id, entries, sealed, ERASED in types, DESTROYED in types)
