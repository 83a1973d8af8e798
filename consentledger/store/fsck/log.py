"""One log, whole: the walk, then its head, its names, its guard and its answers; then its streams. Reads only."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from consentledger.store.fsck.finding import Findings, Kind
from consentledger.store.fsck.streams import Stream, check, streams
from consentledger.store.fsck.walk import Walk
from consentledger.store.guard import CLOSED, Guard, Guarded
from consentledger.store.ledger import Head
from consentledger.store.mark import READ_MARK
from consentledger.store.reader import Reader
from consentledger.store.schema import READ_HEAD
from consentledger.tlog.hashing import EMPTY_ROOT
from consentledger.tlog.tiles import HEIGHT

PAGE = 2_048
_NAMES = "SELECT origin, vkey FROM log_name ORDER BY number"
_BEYOND = "SELECT position FROM event WHERE position > $1 ORDER BY position LIMIT 1"
_TILES = "SELECT level, count(*) FROM tile GROUP BY level ORDER BY level"
_ANSWERS = "SELECT count(*) FROM answer WHERE last > $1 OR first > last OR first < 0 OR (first = 0 AND last > 0)"
_LEAF = "SELECT leaf FROM event WHERE position = $1"

Progress = Callable[[int, int], None]
"""(events looked at, events in all): called for each page; every event is looked at twice."""
Take = Callable[[Sequence[Stream]], Awaitable[None]]


@dataclass(slots=True)
class Checked:
    """What a log turned out to be."""

    service: str
    head: Head = field(default_factory=lambda: Head(0, 0, 0))
    origin: str = ""
    guarded: int | None = None
    """The size that the guard knows."""
    streams: int = 0
    findings: Findings = field(default_factory=Findings)


async def head_of(reader: Reader) -> Head:
    """The head, at the reader's moment."""
    return Head(*(await reader.fetch(READ_HEAD))[0])


async def names_of(reader: Reader) -> list[tuple[str, str]]:
    """(origin, vkey) of every name that the log has had, the present one last."""
    return [(row[0], row[1]) for row in await reader.fetch(_NAMES)]


async def guarded(reader: Reader, guard: Guard) -> Guarded | None:
    """What the guard keeps for the log. Ask before the snapshot is taken: a guard is never ahead of a later one."""
    names = await names_of(reader)
    return await guard.read(names[-1][0]) if names else None


async def leaf_at(reader: Reader, position: int) -> bytes | None:
    """The leaf at a position, if there is one."""
    rows = await reader.fetch(_LEAF, position)
    return rows[0][0] if rows else None


async def check_log(
    found: Checked, reader: Reader, kept: Guarded | None, progress: Progress, takers: Sequence[Take] = ()
) -> None:
    """Compare everything into `found`; each of `takers` is then given all streams, by id, some at a time."""
    service, found.head = found.service, await head_of(reader)
    names = await names_of(reader)
    found.origin = names[-1][0] if names else ""
    found.guarded = kept.size if kept is not None else None
    head, findings = found.head, found.findings
    if names and not found.origin.endswith(f"/{service}/{head.epoch:016x}"):
        findings.add(Kind.NAME_DIFFERS, head.position)
    await _walk(reader, head, kept, findings, progress)
    for (position,) in await reader.fetch(_BEYOND, head.position):
        findings.add(Kind.BEYOND_HEAD, position)
    await _tile_count(reader, head, findings)
    [(outside,)] = await reader.fetch(_ANSWERS, head.position)
    if outside:
        findings.add(Kind.ANSWER_OUTSIDE, 0, f"{outside} answers")
    [(marked,)] = await reader.fetch(READ_MARK)
    if marked > head.position:
        findings.add(Kind.PROGRESS_AHEAD, head.position, "outbox mark")
    done = head.position
    async for some in streams(reader.fetch):
        for stream in some:
            check(stream, findings)
        for take in takers:
            await take(some)
        found.streams += len(some)
        done += sum(len(stream.entries) for stream in some)
        progress(done, 2 * head.position)


async def _walk(reader: Reader, head: Head, kept: Guarded | None, findings: Findings, progress: Progress) -> None:
    walk = Walk(reader.fetch, reader.dialect, findings)
    pause = kept.size if kept is not None and kept.size <= head.position else 0
    if kept is None:
        if head.position:
            findings.add(Kind.GUARD_DIFFERS, 0, "unknown to the guard")
    elif kept.size > head.position:
        detail = "goes on under a new name" if kept == CLOSED else f"{kept.size} signed"
        findings.add(Kind.BEHIND_GUARD, head.position, detail)
    elif kept.size == 0 and kept.root != EMPTY_ROOT:
        findings.add(Kind.GUARD_DIFFERS, 0)
    while walk.position < head.position:
        upto = min(walk.position + PAGE, head.position)
        if walk.position < pause < upto:
            upto = pause
        await walk.step(upto)
        if upto == pause and kept is not None and walk.tree is not None and walk.tree.now.root != kept.root:
            findings.add(Kind.GUARD_DIFFERS, pause)
        progress(walk.position, 2 * head.position)
    if walk.tree is not None:
        now = walk.tree.now
        if (now.root, now.edge.pack()) != (head.root, head.edge):
            findings.add(Kind.ROOT_DIFFERS, head.position, "root or edge")
    if walk.recorded_us != head.recorded_us:
        findings.add(Kind.ROOT_DIFFERS, head.position, "time")


async def _tile_count(reader: Reader, head: Head, findings: Findings) -> None:
    held = {int(level): int(count) for level, count in await reader.fetch(_TILES)}
    level, size = 0, head.position >> HEIGHT
    while size or level in held:
        if held.get(level, 0) > size:
            findings.add(Kind.TILE_DIFFERS, head.position, f"level {level}: more than there can be")
        level, size = level + 1, size >> HEIGHT
