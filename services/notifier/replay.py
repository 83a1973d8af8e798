"""Entries of the consent service's log that the stream LEDGER no longer has, read from the service itself.

The log is replayed tenant by tenant and put together again by position. Only what is complete is returned: a position
that no tenant answers for means that something was not seen, and it might be a revocation.
"""

from collections.abc import AsyncIterator, Awaitable
from typing import Any, Protocol

from consentledger.rpc.channel import call
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import tenant_service_pb2 as ts

WINDOW = 5_000
"""How many positions are put together at once."""
_TENANTS = 1_000


class IncompleteReplay(Exception):
    """Some position was not among the entries of any tenant."""


class LedgerReader(Protocol):
    """The consent service's log."""

    async def entries(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """(position, leaf) of the positions after+1 to after+limit, every one of them. Raises if one is missing."""


class TenantStub(Protocol):
    """What is used of the generated stub."""

    @property
    def ListTenants(self) -> Any:
        """The rpc."""


class AuditStub(Protocol):
    """What is used of the generated stub."""

    @property
    def ReplayEvents(self) -> Any:
        """The rpc."""


class ReplayedLedger:
    """A `LedgerReader` over the calls that the consent service offers to everybody."""

    def __init__(self, tenants: TenantStub, audit: AuditStub, timeout: float) -> None:
        self._tenants = tenants
        self._audit = audit
        self._timeout = timeout

    async def entries(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """See `LedgerReader`."""
        found: dict[int, bytes] = {}
        async for tenant in self._every_tenant():
            request = au.ReplayEventsRequest(tenant=tenant, from_position=after + 1, to_position=after + limit)
            async for chunk in self._audit.ReplayEvents(request, timeout=self._timeout):
                found.update(zip(chunk.positions, chunk.leaves, strict=True))
        if sorted(found) != list(range(after + 1, after + limit + 1)):
            raise IncompleteReplay("the tenants' entries do not cover every position")
        return sorted(found.items())

    async def _every_tenant(self) -> AsyncIterator[str]:
        token = ""
        while True:
            answer: Awaitable[ts.ListTenantsResponse] = call(
                self._tenants.ListTenants, ts.ListTenantsRequest(page_size=_TENANTS, page_token=token), self._timeout
            )
            page = await answer
            for tenant in page.tenants:
                yield tenant.id
            token = page.next_page_token
            if not token:
                return
