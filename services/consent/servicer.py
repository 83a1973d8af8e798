"""ConsentService on the wire: check the form, call the use case. No rule about business here."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from consentledger.errors import LedgerError, Reason, invalid
from consentledger.rpc.call import Call
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty
from services.consent import checks
from services.consent.application import Application
from services.consent.checking import Checks
from services.consent.erasure_rpcs import ErasureRpcs
from services.consent.erasures import Erasures
from services.consent.export.exporting import Exporting
from services.consent.resolving import Resolving
from services.consent.states import States
from services.consent.watching import Watching

MOST_ITEMS = 10_000
MOST_ROWS = 1_000
MOST_REJECTIONS = 1_000


class ConsentServicer(ErasureRpcs):
    """See `consent_service.proto` for what each rpc promises."""

    def __init__(
        self,
        application: Application,
        checking: Checks,
        states: States,
        watching: Watching,
        resolving: Resolving,
        erasures: Erasures,
        exporting: Exporting,
    ) -> None:
        super().__init__(erasures)
        self._application = application
        self._exporting = exporting
        self._checking = checking
        self._states = states
        self._watching = watching
        self._resolving = resolving

    async def RecordConsent(self, r: cs.RecordConsentRequest, call: Call) -> cs.RecordConsentResponse:
        """Record choices."""
        _act(r)
        checks.notice_version(r.notice_version)
        checks.instant(r, "occurred_at")
        if not 1 <= len(r.choices) <= 100 or len({c.purpose for c in r.choices}) != len(r.choices):
            raise invalid("choices", "1 to 100, no purpose twice")
        for choice in r.choices:
            _choice(choice)
        return await self._application.record(r)

    async def WithdrawConsent(self, r: cs.WithdrawConsentRequest, call: Call) -> cs.WithdrawConsentResponse:
        """Take grants back."""
        _refusal(r)
        return await self._application.withdraw(r)

    async def RecordObjection(self, r: cs.RecordObjectionRequest, call: Call) -> cs.RecordObjectionResponse:
        """Object."""
        _refusal(r)
        return await self._application.object(r)

    async def RecordSignal(self, r: cs.RecordSignalRequest, call: Call) -> cs.RecordSignalResponse:
        """Record a universal opt-out signal."""
        _act(r)
        checks.one_of(r.kind, (ty.SIGNAL_KIND_GPC,), "kind")
        if len(r.sec_gpc) > 16 or any(len(value) > 64 for value in r.sec_gpc):
            raise invalid("sec_gpc", "at most 16 values of at most 64 characters")
        return await self._application.signal(r)

    async def SetRestriction(self, r: cs.SetRestrictionRequest, call: Call) -> cs.SetRestrictionResponse:
        """Restrict processing."""
        _act(r)
        checks.text(r.reason, "reason", 4096)
        return await self._application.restrict(r)

    async def LiftRestriction(self, r: cs.LiftRestrictionRequest, call: Call) -> cs.LiftRestrictionResponse:
        """Lift a restriction."""
        _act(r)
        checks.text(r.reason, "reason", 4096)
        return await self._application.lift(r)

    async def LinkIdentifiers(self, r: cs.LinkIdentifiersRequest, call: Call) -> cs.LinkIdentifiersResponse:
        """Join two identifiers."""
        _pair(r)
        return await self._application.link(r)

    async def UndoLink(self, r: cs.UndoLinkRequest, call: Call) -> cs.UndoLinkResponse:
        """Part two identifiers."""
        _pair(r)
        return await self._application.unlink(r)

    async def UpdatePreferences(self, r: cs.UpdatePreferencesRequest, call: Call) -> cs.UpdatePreferencesResponse:
        """Replace preferences."""
        _written(r)
        checks.subject(r.subject)
        named = {(p.channel, p.topic) for p in r.preferences}
        if not 1 <= len(r.preferences) <= 100 or len(named) != len(r.preferences):
            raise invalid("preferences", "1 to 100, no channel and topic twice")
        for p in r.preferences:
            checks.token(p.channel, "preferences.channel", empty=False)
            checks.token(p.topic, "preferences.topic", empty=False)
            checks.token(p.frequency, "preferences.frequency")
            checks.language(p.language, "preferences.language")
        return await self._application.prefer(r)

    async def CheckConsent(self, r: cs.CheckConsentRequest, call: Call) -> cs.CheckConsentResponse:
        """May I?"""
        checks.tenant(r.tenant)
        checks.subject(r.subject)
        checks.purpose(r.purpose)
        checks.place(r.jurisdiction, "jurisdiction")
        checks.instant(r, "as_of")
        checks.instant(r, "known_at")
        return await self._checking.check(r)

    async def BatchCheckConsent(self, r: cs.BatchCheckConsentRequest, call: Call) -> cs.BatchCheckConsentResponse:
        """May I, many times?"""
        checks.tenant(r.tenant)
        if not 1 <= len(r.items) <= MOST_ITEMS:
            raise invalid("items", f"1 to {MOST_ITEMS}")
        for purpose in {item.purpose for item in r.items}:
            checks.purpose(purpose, "items.purpose")
        for place in {item.jurisdiction for item in r.items}:
            checks.place(place, "items.jurisdiction")
        return await self._checking.batch(r)

    async def GetConsentState(self, r: cs.GetConsentStateRequest, call: Call) -> cs.GetConsentStateResponse:
        """What stands."""
        checks.tenant(r.tenant)
        checks.subject(r.subject)
        return await self._states.state(r)

    async def GetPreferences(self, r: cs.GetPreferencesRequest, call: Call) -> cs.GetPreferencesResponse:
        """How to reach the person."""
        checks.tenant(r.tenant)
        checks.subject(r.subject)
        return await self._states.preferences(r)

    async def ExportSubject(self, r: cs.ExportSubjectRequest, call: Call) -> AsyncIterator[cs.ExportSubjectResponse]:
        """Everything held about a person."""
        checks.tenant(r.tenant)
        checks.subject(r.subject)
        checks.access(r.access)
        async for piece in self._exporting.export(r):
            yield piece

    async def ResolveIdentifiers(self, r: cs.ResolveIdentifiersRequest, call: Call) -> cs.ResolveIdentifiersResponse:
        """Identifiers for the notifier."""
        checks.tenant(r.tenant)
        checks.subject(ty.SubjectRef(namespace=r.namespace, id="-"), "namespace")
        if len(r.persons) > MOST_ROWS or any(len(p) != 16 for p in r.persons):
            raise invalid("persons", f"at most {MOST_ROWS}, 16 bytes each")
        return await self._resolving.resolve(r)

    async def WatchConsent(self, r: cs.WatchConsentRequest, call: Call) -> AsyncIterator[cs.WatchConsentResponse]:
        """Follow the log."""
        checks.tenant(r.tenant)
        if r.HasField("subject"):
            checks.subject(r.subject)
        if r.heartbeat_seconds > 60:
            raise invalid("heartbeat_seconds", "0 to 60")
        if r.from_position >= 2**63:
            raise invalid("from_position", "below 2^63")
        async for event in self._watching.watch(r):
            yield event

    async def ImportConsents(
        self, requests: AsyncIterator[cs.ImportConsentsRequest], call: Call
    ) -> cs.ImportConsentsResponse:
        """Take rows of another system, each alone. A row that the store could not take ends the stream with an error;
        sending everything again writes only what is missing."""
        answer = cs.ImportConsentsResponse()
        first, newest = 0, 0
        async for r in requests:
            checks.tenant(r.tenant)
            if len(r.rows) > MOST_ROWS:
                raise invalid("rows", f"at most {MOST_ROWS}")
            results = await asyncio.gather(*(self._row(r.tenant, row) for row in r.rows), return_exceptions=True)
            newest = _count(answer, first, results, newest)
            first += len(r.rows)
        if not answer.consistency_token:
            answer.consistency_token = await self._application.current_token()
        return answer

    async def _row(self, tenant: str, row: cs.ImportRow) -> tuple[int, str, bool]:
        """(position, token, whether it had been recorded before)."""
        checks.request_id(row.request_id)
        checks.subject(row.subject)
        checks.instant(row, "occurred_at", required=True)
        checks.notice_version(row.notice_version)
        checks.context(row.context)
        act = row.WhichOneof("act")
        if act is None:
            raise invalid("act", "set")
        if act == "consent":
            _choice(row.consent, "consent")
        elif (named := getattr(row, act)) != "*":
            checks.purpose(named, act)
        done = await self._application.import_row(tenant, row)
        return done.position, cs.ImportConsentsResponse.FromString(done.answer).consistency_token, done.repeated


def _count(
    answer: cs.ImportConsentsResponse,
    first: int,
    results: Sequence[tuple[int, str, bool] | BaseException],
    newest: int,
) -> int:
    for number, result in enumerate(results, first):
        if isinstance(result, LedgerError) and result.reason not in _NOT_OF_THE_ROW:
            answer.rejected += 1
            if len(answer.rejections) < MOST_REJECTIONS:
                answer.rejections.add(
                    row=number,
                    reason=result.reason.value,
                    field=result.metadata.get("field", ""),
                    rule=result.metadata.get("rule", ""),
                )
        elif isinstance(result, BaseException):
            raise result
        else:
            position, token, repeated = result
            answer.repeated += repeated
            answer.written += not repeated
            if position > newest:
                newest, answer.consistency_token = position, token
    return newest


_NOT_OF_THE_ROW = (Reason.OVERLOADED, Reason.SHUTTING_DOWN, Reason.TENANT_UNKNOWN)


def _written(r: "_Written") -> None:
    checks.request_id(r.request_id)
    checks.tenant(r.tenant)


def _act(r: "_Written") -> None:
    _written(r)
    checks.subject(r.subject)  # type: ignore[union-attr]
    checks.context(r.context)  # type: ignore[union-attr]


def _pair(r: cs.LinkIdentifiersRequest | cs.UndoLinkRequest) -> None:
    _written(r)
    checks.subject(r.left, "left")
    checks.subject(r.right, "right")
    checks.context(r.context)


def _refusal(r: cs.WithdrawConsentRequest | cs.RecordObjectionRequest) -> None:
    _act(r)
    checks.purposes(r.purposes)
    checks.instant(r, "occurred_at")
    checks.text(r.reason, "reason", 4096)


def _choice(choice: cs.ConsentChoice, field: str = "choices") -> None:
    checks.purpose(choice.purpose, f"{field}.purpose")
    checks.one_of(choice.choice, (ty.CHOICE_GRANT, ty.CHOICE_DENY), f"{field}.choice")
    checks.instant(choice, "expires_at")


_Written = (
    cs.RecordConsentRequest
    | cs.WithdrawConsentRequest
    | cs.RecordObjectionRequest
    | cs.RecordSignalRequest
    | cs.SetRestrictionRequest
    | cs.LiftRestrictionRequest
    | cs.LinkIdentifiersRequest
    | cs.UndoLinkRequest
    | cs.UpdatePreferencesRequest
)
