"""The other side of the command's tests: our own rpc server with a small ledger in memory; and ways to run the command.

The ledger keeps as much of the contract as the commands lean on: request ids, pages, positions, refusals. That the
command and the real services fit is shown where those run.
"""

import asyncio
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from consentledger.cli.main import main
from consentledger.errors import LedgerError, Reason
from consentledger.rpc.call import Call
from consentledger.rpc.guard import Guard
from consentledger.rpc.server import Server
from consentledger.v1 import audit_service_pb2 as audit
from consentledger.v1 import consent_service_pb2 as consent
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import notifier_service_pb2 as notifier
from consentledger.v1 import purpose_service_pb2 as purposes
from consentledger.v1 import tenant_service_pb2 as tenants
from consentledger.v1 import types_pb2 as types

PERSONAL = "ada.secret@example.org"
ADA = f"email:{PERSONAL}"
SERVICES = [
    consent.DESCRIPTOR.services_by_name["ConsentService"],
    audit.DESCRIPTOR.services_by_name["AuditService"],
    purposes.DESCRIPTOR.services_by_name["PurposeService"],
    tenants.DESCRIPTOR.services_by_name["TenantService"],
    notifier.DESCRIPTOR.services_by_name["NotifierService"],
]


class Ledger:
    """A ledger in memory for one person and one tenant. Handlers are found by the names of the contract."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.failing: dict[str, list[Reason]] = {}
        self.purposes: dict[str, events.Purpose] = {}
        self.notices: dict[str, events.Notice] = {}
        self.entries: list[events.LedgerEntry] = []
        self.answered: dict[str, Any] = {}
        self.granted: dict[str, bool] = {}
        self.cut_after = 0
        self.ended = threading.Event()

    def servicer(self, service: Any) -> object:
        return type("Tiny", (), {rpc.name: staticmethod(self._handler(rpc)) for rpc in service.methods})()

    def _handler(self, rpc: Any) -> Callable[..., Any]:
        handler: Any = getattr(self, rpc.name, None)
        if rpc.server_streaming:

            async def stream(request: Any, call: Call) -> AsyncIterator[Any]:
                self._enter(rpc.name, request)
                if handler is None:
                    raise LedgerError(Reason.NOT_IMPLEMENTED)
                async for response in handler(request):
                    yield response

            return stream

        async def answer(request: Any, call: Call) -> Any:
            if rpc.client_streaming:
                request = [message async for message in request]
            self._enter(rpc.name, request)
            if handler is None:
                raise LedgerError(Reason.NOT_IMPLEMENTED)
            return handler(request)

        return answer

    def _enter(self, name: str, request: Any) -> None:
        self.seen.append(request)
        if self.failing.get(name):
            raise LedgerError(self.failing[name].pop(0), field="subject.id", rule="a rule", value=PERSONAL)

    def write(self, **kind: Any) -> None:
        entry = events.LedgerEntry(format=1, tenant="default", type="consent.v1", header=events.EventHeader(**kind))
        entry.recorded_at.FromSeconds(1_750_000_000 + len(self.entries))
        self.entries.append(entry)

    def RecordConsent(self, request: Any) -> Any:
        if request.request_id in self.answered:
            return self.answered[request.request_id]
        response = consent.RecordConsentResponse()
        for choice in request.choices:
            if choice.purpose not in self.purposes:
                raise LedgerError(Reason.PURPOSE_UNKNOWN)
            grant = choice.choice == types.CHOICE_GRANT
            self.granted[choice.purpose] = grant
            recorded = events.ConsentRecorded(
                purpose=choice.purpose, choice=choice.choice, notice_version=request.notice_version
            )
            self.write(consent_recorded=recorded)
            state = types.CONSENT_STATE_GRANTED if grant else types.CONSENT_STATE_DENIED
            response.states.add(purpose=choice.purpose, state=state, position=len(self.entries))
        response.consistency_token = f"token-{len(self.entries)}"
        self.answered[request.request_id] = response
        return response

    def WithdrawConsent(self, request: Any) -> Any:
        self.granted.clear()
        self.write(consent_withdrawn=events.ConsentWithdrawn(purposes=request.purposes))
        return consent.WithdrawConsentResponse(consistency_token=f"token-{len(self.entries)}")

    def CheckConsent(self, request: Any) -> Any:
        if request.purpose == "unspecified":
            return consent.CheckConsentResponse()
        allowed = self.granted.get(request.purpose, False)
        return consent.CheckConsentResponse(
            decision=types.DECISION_ALLOWED if allowed else types.DECISION_NOT_ALLOWED,
            reason=types.DECISION_REASON_GRANTED if allowed else types.DECISION_REASON_NO_RECORD,
            regime="gdpr",
        )

    def UndoLink(self, request: Any) -> Any:
        return consent.UndoLinkResponse(left_states=[{"purpose": "a"}], right_states=[{"purpose": "b"}])

    def GetSubjectHistory(self, request: Any) -> Any:
        start = int(request.page_token or 0)
        size = min(request.page_size, 2)
        page = audit.GetSubjectHistoryResponse()
        for number, entry in list(enumerate(self.entries, 1))[start : start + size]:
            page.events.add(position=number, type=entry.type, recorded_at=entry.recorded_at, entry=entry)
        if start + size < len(self.entries):
            page.next_page_token = str(start + size)
        return page

    async def WatchConsent(self, request: Any) -> AsyncIterator[Any]:
        try:
            for position in range(request.from_position or len(self.entries) + 1, len(self.entries) + 1):
                yield consent.WatchConsentResponse(position=position, entry=self.entries[position - 1])
                if self.cut_after and position >= self.cut_after:
                    self.cut_after = 0
                    raise LedgerError(Reason.SHUTTING_DOWN)
            yield consent.WatchConsentResponse(position=len(self.entries))
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    async def ReplayEvents(self, request: Any) -> AsyncIterator[Any]:
        head = len(self.entries)
        positions = list(range(request.from_position or 1, (request.to_position or head) + 1))
        for start in range(0, len(positions), 2):
            part = positions[start : start + 2]
            leaves = [self.entries[position - 1].SerializeToString() for position in part]
            yield audit.ReplayEventsResponse(positions=part, leaves=leaves, head_position=head)
            if self.cut_after and part[-1] >= self.cut_after:
                self.cut_after = 0
                self.write(restriction_changed=events.RestrictionChanged())
                raise LedgerError(Reason.STORE_UNAVAILABLE)

    def ImportConsents(self, requests: Any) -> Any:
        answer = consent.ImportConsentsResponse(consistency_token="token-import")
        for number, row in enumerate(row for request in requests for row in request.rows):
            if row.WhichOneof("act") == "consent" and row.consent.purpose not in self.purposes:
                answer.rejected += 1
                answer.rejections.add(row=number, reason="PURPOSE_UNKNOWN", field="consent.purpose")
            elif row.request_id in self.answered:
                answer.repeated += 1
            else:
                self.answered[row.request_id] = True
                answer.written += 1
        return answer

    def ListPurposes(self, request: Any) -> Any:
        names = sorted(name for name in self.purposes if name > request.page_token)
        page = purposes.ListPurposesResponse(purposes=[self.purposes[name] for name in names[:2]])
        page.next_page_token = names[1] if len(names) > 2 else ""
        return page

    def GetPurpose(self, request: Any) -> Any:
        if request.purpose not in self.purposes:
            raise LedgerError(Reason.PURPOSE_UNKNOWN)
        return purposes.GetPurposeResponse(purpose=self.purposes[request.purpose])

    def CreatePurpose(self, request: Any) -> Any:
        if request.purpose.id in self.purposes:
            raise LedgerError(Reason.PURPOSE_EXISTS)
        return purposes.CreatePurposeResponse(purpose=self._put(request.purpose, 1))

    def UpdatePurpose(self, request: Any) -> Any:
        standing = self.purposes[request.purpose.id]
        if request.purpose.version not in (0, standing.version):
            raise LedgerError(Reason.CATALOGUE_CONFLICT)
        return purposes.UpdatePurposeResponse(purpose=self._put(request.purpose, standing.version + 1))

    def RetirePurpose(self, request: Any) -> Any:
        self.purposes[request.purpose].retired = True
        return purposes.RetirePurposeResponse(purpose=self.purposes[request.purpose])

    def _put(self, purpose: Any, version: int) -> Any:
        kept = events.Purpose()
        kept.CopyFrom(purpose)
        kept.version, kept.retired = version, False
        self.purposes[kept.id] = kept
        return kept

    def ListNotices(self, request: Any) -> Any:
        return purposes.ListNoticesResponse(notices=self.notices.values())

    def PublishNotice(self, request: Any) -> Any:
        kept = events.Notice()
        kept.CopyFrom(request.notice)
        kept.text_sha256, kept.text = hashlib.sha256(kept.text.encode()).digest(), ""
        self.notices[kept.version] = kept
        return purposes.PublishNoticeResponse(notice=request.notice)

    def ListObligations(self, request: Any) -> Any:
        start = int(request.page_token or 0)
        found = [notifier.Obligation(id=str(number), downstream=request.downstream) for number in range(7)]
        page = notifier.ListObligationsResponse(obligations=found[start : start + request.page_size][:2])
        page.next_page_token = str(start + 2) if start + 2 < len(found) else ""
        return page


@contextmanager
def serving(ledger: Ledger) -> Iterator[str]:
    """A server on a loop and a thread of its own, since a command runs a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> tuple[Server, int]:
        server = Server(Guard())
        for service in SERVICES:
            server.add(service, ledger.servicer(service))
        port = server.bind("127.0.0.1:0")
        await server.start()
        return server, port

    server, port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(server.drain(1), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


class Cli:
    """Runs the command in this process against the server."""

    def __init__(self, server: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.server = server
        self._capsys = capsys

    def __call__(self, *arguments: str, code: int = 0) -> str:
        assert main(["--server", self.server, *arguments]) == code
        said = self._capsys.readouterr()
        self.err = said.err
        assert PERSONAL not in said.err
        return str(said.out)

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code))


def process(server: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from consentledger.cli.main import run; run()", "--server", server, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
