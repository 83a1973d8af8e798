"""GetSubjectHistory and ReplayEvents: the log for those who must be able to check it.

- A timeline holds the person's events and those of everyone linked with them now, oldest first, with the seal opened.
- A replay hands out leaves verbatim, in chunks read one at a time: its memory does not grow with the log.
"""

from collections.abc import AsyncIterator, Iterator, Sequence

from consentledger.crypto.envelope import DataKey, event_aad
from consentledger.errors import LedgerError, Reason
from consentledger.store.ledger import Entry, Store
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import events_pb2 as ev
from services.consent.catalogues import Catalogues
from services.consent.directory import Directory
from services.consent.domain.person import Person
from services.consent.paging import page_size, position_after, token_for

CHUNK = 1_000
CHUNK_BYTES = 4 << 20
"""A gRPC message holds 16 MiB, and a leaf up to 64 KiB."""


class History:
    """The reads of the audit service."""

    def __init__(self, store: Store, directory: Directory, catalogues: Catalogues) -> None:
        self._store = store
        self._directory = directory
        self._catalogues = catalogues

    async def replay(self, r: au.ReplayEventsRequest) -> AsyncIterator[au.ReplayEventsResponse]:
        """ReplayEvents."""
        await self._catalogues.require(r.tenant)
        head = (await self._store.head()).position
        upto = min(r.to_position or head, head)
        after = max(0, r.from_position - 1)
        while after < upto:
            rows = await self._store.leaves(after, CHUNK, upto=upto, tenant=r.tenant, types=list(r.types))
            if not rows:
                return
            for some in _bounded(rows):
                positions, leaves = zip(*some, strict=True)
                yield au.ReplayEventsResponse(positions=positions, leaves=leaves, head_position=head)
            after = rows[-1][0]

    async def timeline(self, r: au.GetSubjectHistoryRequest) -> au.GetSubjectHistoryResponse:
        """GetSubjectHistory."""
        await self._catalogues.require(r.tenant)
        known = (await self._directory.find(r.tenant, [(r.subject.namespace, r.subject.id)]))[0]
        own = await self._store.streams([known.person]) if known is not None else ()
        if known is None or not own:  # a refused command may leave an identifier without a person's events
            raise LedgerError(Reason.SUBJECT_UNKNOWN)
        members = _members(own)
        entries = sorted([*own, *(await self._store.streams(members) if members else ())], key=_position)
        keys = await self._directory.keys(r.tenant, [known.person, *members])
        after, size = position_after(r.page_token), page_size(r.page_size)
        page = [e for e in entries if e.position > after]
        more = len(page) > size
        page = page[:size]
        events = [_line(e, keys.get(e.stream), linked=e.stream != known.person) for e in page]
        next_page = token_for(page[-1].position) if more else ""
        return au.GetSubjectHistoryResponse(events=events, next_page_token=next_page)


def _bounded(rows: Sequence[tuple[int, bytes]]) -> Iterator[Sequence[tuple[int, bytes]]]:
    """The rows in pieces of at most `CHUNK_BYTES` of leaves each; nearly always one piece."""
    if sum(len(leaf) for _, leaf in rows) <= CHUNK_BYTES:
        yield rows
        return
    start = size = 0
    for n, (_, leaf) in enumerate(rows):
        if size and size + len(leaf) > CHUNK_BYTES:
            yield rows[start:n]
            start, size = n, 0
        size += len(leaf)
    yield rows[start:]


def _position(entry: Entry) -> int:
    return entry.position


def _members(own: Sequence[Entry]) -> list[bytes]:
    """Whom the person is linked with now: the newest word on it counts."""
    members: list[bytes] = []
    for entry in own:
        if entry.type == Person.LinksChanged.TOPIC:
            members = list(ev.LedgerEntry.FromString(entry.leaf).header.links_changed.members)
    return members


def _line(entry: Entry, key: DataKey | None, *, linked: bool) -> au.HistoryEvent:
    leaf = ev.LedgerEntry.FromString(entry.leaf)
    line = au.HistoryEvent(position=entry.position, type=entry.type, entry=leaf, linked=linked)
    line.recorded_at.CopyFrom(leaf.recorded_at)
    line.occurred_at.CopyFrom(leaf.occurred_at if leaf.HasField("occurred_at") else leaf.recorded_at)
    if entry.ciphertext is not None and key is not None:
        aad = event_aad(entry.tenant, entry.stream, entry.version, entry.type)
        opened = key.open(entry.ciphertext, leaf.commitment, aad)
        if entry.type == Person.Created.TOPIC:
            line.subject_opened.MergeFromString(opened)
        else:
            line.personal.MergeFromString(opened)
    return line
