"""AuditService on the wire: check the form, call the reads."""

from collections.abc import AsyncIterator

from consentledger.errors import invalid
from consentledger.rpc.call import Call
from consentledger.v1 import audit_service_pb2 as au
from services.consent import checks
from services.consent.history import History


class AuditServicer:
    """See `audit_service.proto`."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def ReplayEvents(self, r: au.ReplayEventsRequest, call: Call) -> AsyncIterator[au.ReplayEventsResponse]:
        """The log, verbatim."""
        checks.tenant(r.tenant)
        if len(r.types) > 100:
            raise invalid("types", "at most 100")
        for name in r.types:
            checks.token(name, "types", empty=False)
        for field in ("from_position", "to_position"):
            if getattr(r, field) >= 2**63:
                raise invalid(field, "below 2^63")
        async for chunk in self._history.replay(r):
            yield chunk

    async def GetSubjectHistory(self, r: au.GetSubjectHistoryRequest, call: Call) -> au.GetSubjectHistoryResponse:
        """One person's timeline."""
        checks.tenant(r.tenant)
        checks.subject(r.subject)
        return await self._history.timeline(r)
