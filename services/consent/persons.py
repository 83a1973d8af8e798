"""What the audit service asks about persons: timelines, accesses, tenants. The form of requests is checked here."""

from consentledger.v1 import audit_service_pb2 as au
from services.consent import checks
from services.consent.accesses import Accesses
from services.consent.catalogues import Catalogues
from services.consent.history import History


class Persons:
    """See `audit_service.proto`."""

    def __init__(self, history: History, accesses: Accesses, catalogues: Catalogues) -> None:
        self._history = history
        self._accesses = accesses
        self._catalogues = catalogues

    async def require(self, tenant: str) -> None:
        """TENANT_UNKNOWN unless it exists."""
        await self._catalogues.require(tenant)

    async def timeline(self, r: au.GetSubjectHistoryRequest) -> au.GetSubjectHistoryResponse:
        """GetSubjectHistory."""
        checks.tenant(r.tenant)
        checks.subject(r.subject)
        checks.access(r.access)
        return await self._history.timeline(r)

    async def accesses(self, r: au.ListAccessesRequest) -> au.ListAccessesResponse:
        """ListAccesses."""
        checks.tenant(r.tenant)
        checks.subject(r.subject)
        return await self._accesses.list(r)
