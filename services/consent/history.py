"""GetSubjectHistory: the person's events and those of everyone linked with them now, oldest first, the seal opened.

- The read is recorded with every person whose events the page holds, before it is answered.
- Records of reads are no part of it (`accesses` lists them): else every page would make the next one longer.
"""

from google.protobuf.message import Message

from consentledger.store.ledger import Entry
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import events_pb2 as ev
from services.consent.accesses import LINKED, Accesses
from services.consent.domain.access import AccessRecorded
from services.consent.paging import page_size, position_after, token_for
from services.consent.records import Finder, Records


class History:
    """Timelines of persons."""

    def __init__(self, finder: Finder, accesses: Accesses) -> None:
        self._finder = finder
        self._accesses = accesses

    async def timeline(self, r: au.GetSubjectHistoryRequest) -> au.GetSubjectHistoryResponse:
        """GetSubjectHistory."""
        after, size = position_after(r.page_token), page_size(r.page_size)
        records = await self._finder.find(r.tenant, r.subject)
        page = [e for e in records.entries if e.position > after and e.type != AccessRecorded.TOPIC]
        more = len(page) > size
        page = page[:size]
        answer = au.GetSubjectHistoryResponse(
            events=[_line(records, e) for e in page], next_page_token=token_for(page[-1].position) if more else ""
        )
        await self._accesses.record(records, "GetSubjectHistory", r.access, _read(records, page, answer))
        return answer


def _read(records: Records, page: list[Entry], answer: au.GetSubjectHistoryResponse) -> dict[bytes, set[str]]:
    """What of whom the answer holds; the person asked for counts in any case."""
    read: dict[bytes, set[str]] = {records.person: {"events"}}
    for entry, line in zip(page, answer.events, strict=True):
        fields = read.setdefault(entry.stream, {"events"})
        if line.HasField("subject_opened"):
            fields.add("identifiers")
        if line.HasField("personal"):
            fields.add("sealed")
    if len(read) > 1:
        for fields in read.values():
            fields.add(LINKED)
    return read


def _line(records: Records, entry: Entry) -> au.HistoryEvent:
    leaf = ev.LedgerEntry.FromString(entry.leaf)
    line = au.HistoryEvent(position=entry.position, type=entry.type, entry=leaf, linked=entry.stream != records.person)
    line.recorded_at.CopyFrom(leaf.recorded_at)
    line.occurred_at.CopyFrom(leaf.occurred_at if leaf.HasField("occurred_at") else leaf.recorded_at)
    opened: Message | None = records.open(entry, leaf)
    if isinstance(opened, ev.SubjectOpenedPersonal):
        line.subject_opened.CopyFrom(opened)
    elif isinstance(opened, ev.ActPersonal):
        line.personal.CopyFrom(opened)
    return line
