"""The catalogues as readers see them: committed state only, brought up to date when a read says they are behind.

Apart from `memory`, which may be ahead of what is committed.
"""

import asyncio

from consentledger.errors import LedgerError, Reason
from consentledger.store.ledger import Store
from services.consent.decoding import load
from services.consent.domain.catalogue import Catalogue, catalogue_stream
from services.consent.projection.lookups import catalogue_version, tenants_after


class Catalogues:
    """Committed catalogues by tenant."""

    def __init__(self, store: Store, *, limit: int = 1_000) -> None:
        self._store = store
        self._limit = limit
        self._kept: dict[str, Catalogue] = {}
        self._loading = asyncio.Lock()

    def kept(self, tenant: str) -> Catalogue | None:
        """What this process knows, perhaps behind."""
        return self._kept.get(tenant)

    async def at_least(self, tenant: str, version: int) -> Catalogue:
        """The catalogue at this version or a later one. TENANT_UNKNOWN when version is 0."""
        if version < 1:
            raise LedgerError(Reason.TENANT_UNKNOWN)
        kept = self._kept.get(tenant)
        if kept is not None and kept.version >= version:
            return kept
        async with self._loading:
            kept = self._kept.get(tenant)
            if kept is None or kept.version < version:
                kept = await self._load(tenant)
            return kept

    async def current(self, tenant: str) -> Catalogue:
        """The catalogue as committed now."""
        return await self.at_least(tenant, await catalogue_version(self._store, tenant))

    async def require(self, tenant: str) -> None:
        """TENANT_UNKNOWN unless the tenant exists. Tenants never go away, so what is known suffices."""
        if tenant not in self._kept:
            await self.current(tenant)

    async def tenants(self, after: str, limit: int) -> list[str]:
        """Tenant ids, ascending."""
        return await tenants_after(self._store, after, limit)

    async def _load(self, tenant: str) -> Catalogue:
        catalogue = None
        for entry in await self._store.streams([catalogue_stream(tenant).bytes]):
            catalogue = load(entry).mutate(catalogue)
        if not isinstance(catalogue, Catalogue):
            raise LedgerError(Reason.TENANT_UNKNOWN)
        while len(self._kept) >= self._limit:
            del self._kept[next(iter(self._kept))]
        self._kept[tenant] = catalogue
        return catalogue
