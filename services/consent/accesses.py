"""Reads of a person's data by people: recorded before they are answered, and listed for the person. (P6)

- A read that cannot be recorded fails. One whose record may or may not have been written fails too: a record too many
  is better than one too few.
- A read is recorded with every person whose data it gives, so that each of them finds it, and their erasure covers it.
- Each read counts, repeats too: there is no request_id, and nothing is made one.
- Checks, states and preferences are asked by machines, millions of times; they are not recorded. Nor is the question
  who has read: it is the person's own.
"""

from collections.abc import Iterable, Mapping

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from consentledger.errors import LedgerError, Reason
from consentledger.regimes.model import Regimes
from consentledger.store.committer import Committed, Committer
from consentledger.store.ledger import Entry
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from services.consent.commands import Act, Scene, Who
from services.consent.domain import access
from services.consent.memory import Aggregates
from services.consent.paging import page_size, position_after, token_for
from services.consent.records import Finder, Records

LINKED = "linked"
"""Among what was read: that data of persons linked with each other was given together."""
UNSTATED = "unstated"
"""The purpose of a read whose caller names none."""


class Accesses:
    """See the module's rules."""

    def __init__(self, committer: Committer, memory: Aggregates, regimes: Regimes, finder: Finder) -> None:
        self._committer = committer
        self._memory = memory
        self._regimes = regimes
        self._finder = finder

    async def record(
        self, records: Records, method: str, reason: ty.AccessReason, read: Mapping[bytes, Iterable[str]]
    ) -> Committed:
        """Record what was read of whom. Returns when it is durable: only then may the answer leave."""
        who = [Who(person, records.keys.get(person), None) for person in records.persons if person in read]
        fields = [tuple(sorted(read[w.person])) for w in who]
        personal = ev.AccessPersonal(actor=reason.actor).SerializeToString(deterministic=True)

        def rule(scene: Scene) -> Message:
            access.record(
                [(scene.person(number), each) for number, each in enumerate(fields)],
                scene.at,
                method=method,
                purpose=reason.purpose or UNSTATED,
                role="",
                personal=personal,
            )
            return Empty()

        command = Act(self._memory, self._regimes, records.tenant, who, rule, None)
        try:
            # Commit point: before it nothing was read; after it, and only then, the answer may leave.
            committed = await self._committer.submit(command)
        except LedgerError as refusal:
            if refusal.reason is Reason.SUBJECT_ERASED:  # since the records were found: nobody is known by that name
                raise LedgerError(Reason.SUBJECT_UNKNOWN) from None
            raise
        # Else an erasure that had cleaned the log just before would leave behind what this record sealed.
        if await self._finder.destroyed(records):
            raise LedgerError(Reason.SUBJECT_UNKNOWN)
        return committed

    async def list(self, r: au.ListAccessesRequest) -> au.ListAccessesResponse:
        """ListAccesses."""
        before, size = position_after(r.page_token), page_size(r.page_size)
        records = await self._finder.find(r.tenant, r.subject)
        page = [e for e in accesses(records) if not before or e.position < before]
        more = len(page) > size
        page = page[:size]
        return au.ListAccessesResponse(
            accesses=[line(records, e) for e in page], next_page_token=token_for(page[-1].position) if more else ""
        )


def accesses(records: Records) -> list[Entry]:
    """The reads among the records, newest first."""
    return [e for e in reversed(records.entries) if e.type == access.AccessRecorded.TOPIC]


def line(records: Records, entry: Entry) -> au.Access:
    """One read, as the person is told of it."""
    leaf = ev.LedgerEntry.FromString(entry.leaf)
    said, opened = leaf.header.access_recorded, records.open(entry, leaf)
    return au.Access(
        position=entry.position,
        recorded_at=leaf.recorded_at,
        method=said.method,
        purpose=said.purpose,
        actor=opened.actor if isinstance(opened, ev.AccessPersonal) else "",
        role=said.role,
        fields=said.fields,
        linked=entry.stream != records.person,
    )
