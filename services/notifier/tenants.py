"""Whether a tenant exists, asked of the consent service, which keeps them. Remembered: tenants are never removed."""

from typing import Any, Protocol

from consentledger.rpc.channel import call
from consentledger.v1 import tenant_service_pb2 as ts


class TenantStub(Protocol):
    """What is used of the generated stub."""

    @property
    def GetTenant(self) -> Any:
        """The rpc."""


class Tenants:
    """Asks the consent service."""

    def __init__(self, stub: TenantStub, timeout: float) -> None:
        self._stub = stub
        self._timeout = timeout
        self._known: set[str] = set()

    async def require(self, tenant: str) -> None:
        """TENANT_UNKNOWN if there is no such tenant; STORE_UNAVAILABLE if nobody can say."""
        if tenant not in self._known:
            await call(self._stub.GetTenant, ts.GetTenantRequest(tenant=tenant), self._timeout)
            self._known.add(tenant)
