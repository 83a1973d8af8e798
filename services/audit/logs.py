"""The logs that this process answers for, by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from consentledger.errors import LedgerError, Reason
from consentledger.store.signedlog import SignedLog
from consentledger.v1 import audit_service_pb2 as au
from services.audit.witnessed import Witnesses

FIRST = "consent"
"""What an empty name means."""


class Persons(Protocol):
    """What the consent service knows of tenants and persons."""

    async def require(self, tenant: str) -> None:
        """TENANT_UNKNOWN unless it exists."""

    async def timeline(self, r: au.GetSubjectHistoryRequest) -> au.GetSubjectHistoryResponse:
        """GetSubjectHistory."""

    async def accesses(self, r: au.ListAccessesRequest) -> au.ListAccessesResponse:
        """ListAccesses."""


@dataclass(frozen=True, slots=True)
class Logs:
    """See the module."""

    by_name: Mapping[str, SignedLog]
    persons: Persons | None = None
    """There when the process runs the consent service."""
    witnesses: Witnesses = field(default_factory=Witnesses)
    """Whose cosignatures count."""

    def named(self, name: str) -> SignedLog:
        """The log, or LOG_UNKNOWN."""
        found = self.by_name.get(name or FIRST)
        if found is None:
            raise LedgerError(Reason.LOG_UNKNOWN)
        return found

    def of_persons(self) -> Persons:
        """Timelines and accesses, or NOT_IMPLEMENTED where there is no consent service."""
        if self.persons is None:
            raise LedgerError(Reason.NOT_IMPLEMENTED)
        return self.persons
