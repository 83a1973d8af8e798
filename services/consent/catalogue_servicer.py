"""TenantService and PurposeService on the wire: check the form, call the use case."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from consentledger.errors import LedgerError, Reason, invalid
from consentledger.rpc.call import Call
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import purpose_service_pb2 as ps
from consentledger.v1 import tenant_service_pb2 as ts
from services.consent import checks
from services.consent.catalogue_application import CatalogueApplication
from services.consent.catalogues import Catalogues
from services.consent.paging import key_after, page_size, token_after
from services.consent.wire import notice_to, purpose_to, tenant_to

T = TypeVar("T")


class TenantServicer:
    """See `tenant_service.proto`."""

    def __init__(self, application: CatalogueApplication, catalogues: Catalogues) -> None:
        self._application = application
        self._catalogues = catalogues

    async def CreateTenant(self, r: ts.CreateTenantRequest, call: Call) -> ts.CreateTenantResponse:
        """Add a tenant."""
        _tenant(r.request_id, r.tenant)
        return await self._application.create_tenant(r)

    async def UpdateTenant(self, r: ts.UpdateTenantRequest, call: Call) -> ts.UpdateTenantResponse:
        """Replace a tenant's particulars."""
        _tenant(r.request_id, r.tenant)
        return await self._application.update_tenant(r)

    async def GetTenant(self, r: ts.GetTenantRequest, call: Call) -> ts.GetTenantResponse:
        """One tenant."""
        checks.tenant(r.tenant)
        return ts.GetTenantResponse(tenant=tenant_to((await self._catalogues.current(r.tenant)).tenant))

    async def ListTenants(self, r: ts.ListTenantsRequest, call: Call) -> ts.ListTenantsResponse:
        """All tenants, by id."""
        size = page_size(r.page_size)
        ids = await self._catalogues.tenants(key_after(r.page_token), size + 1)
        tenants = [tenant_to((await self._catalogues.current(tenant)).tenant) for tenant in ids[:size]]
        return ts.ListTenantsResponse(
            tenants=tenants, next_page_token=token_after(ids[size - 1]) if len(ids) > size else ""
        )


class PurposeServicer:
    """See `purpose_service.proto`."""

    def __init__(self, application: CatalogueApplication, catalogues: Catalogues) -> None:
        self._application = application
        self._catalogues = catalogues

    async def CreatePurpose(self, r: ps.CreatePurposeRequest, call: Call) -> ps.CreatePurposeResponse:
        """Add a purpose."""
        _purpose(r)
        return await self._application.create_purpose(r)

    async def UpdatePurpose(self, r: ps.UpdatePurposeRequest, call: Call) -> ps.UpdatePurposeResponse:
        """Replace a purpose."""
        _purpose(r)
        return await self._application.update_purpose(r)

    async def RetirePurpose(self, r: ps.RetirePurposeRequest, call: Call) -> ps.RetirePurposeResponse:
        """End a purpose."""
        checks.request_id(r.request_id)
        checks.tenant(r.tenant)
        checks.purpose(r.purpose)
        return await self._application.retire_purpose(r)

    async def GetPurpose(self, r: ps.GetPurposeRequest, call: Call) -> ps.GetPurposeResponse:
        """One purpose."""
        checks.tenant(r.tenant)
        checks.purpose(r.purpose)
        catalogue = await self._catalogues.current(r.tenant)
        return ps.GetPurposeResponse(purpose=purpose_to(catalogue.purpose(r.purpose)))

    async def ListPurposes(self, r: ps.ListPurposesRequest, call: Call) -> ps.ListPurposesResponse:
        """All purposes, by id."""
        checks.tenant(r.tenant)
        catalogue = await self._catalogues.current(r.tenant)
        page, more = _page(sorted(catalogue.purposes), r.page_token, r.page_size)
        purposes = [purpose_to(catalogue.purposes[p]) for p in page]
        return ps.ListPurposesResponse(purposes=purposes, next_page_token=token_after(page[-1]) if more else "")

    async def PublishNotice(self, r: ps.PublishNoticeRequest, call: Call) -> ps.PublishNoticeResponse:
        """Publish one version of a notice."""
        checks.request_id(r.request_id)
        checks.tenant(r.tenant)
        _notice(r.notice)
        return await self._application.publish_notice(r)

    async def GetNotice(self, r: ps.GetNoticeRequest, call: Call) -> ps.GetNoticeResponse:
        """One version, with its text."""
        checks.tenant(r.tenant)
        checks.notice_version(r.version, "version")
        notice = (await self._catalogues.current(r.tenant)).notices.get(r.version)
        if notice is None:
            raise LedgerError(Reason.NOTICE_UNKNOWN)
        return ps.GetNoticeResponse(notice=notice_to(notice))

    async def ListNotices(self, r: ps.ListNoticesRequest, call: Call) -> ps.ListNoticesResponse:
        """All versions, without their texts."""
        checks.tenant(r.tenant)
        notices = (await self._catalogues.current(r.tenant)).notices
        keys = {f"{n.id}\n{n.ordinal:010}": n for n in notices.values()}
        page, more = _page(sorted(keys), r.page_token, r.page_size)
        return ps.ListNoticesResponse(
            notices=[notice_to(keys[k], with_text=False) for k in page],
            next_page_token=token_after(page[-1]) if more else "",
        )


def _page(keys: Sequence[str], token: str, size: int) -> tuple[list[str], bool]:
    after = key_after(token)
    rest = [k for k in keys if k > after]
    return rest[: page_size(size)], len(rest) > page_size(size)


def _tenant(request_id: str, tenant: ev.Tenant) -> None:
    checks.request_id(request_id)
    checks.tenant(tenant.id, "tenant.id")
    checks.text(tenant.display_name, "tenant.display_name", 256)
    checks.place(tenant.default_jurisdiction, "tenant.default_jurisdiction")


def _purpose(r: ps.CreatePurposeRequest | ps.UpdatePurposeRequest) -> None:
    checks.request_id(r.request_id)
    checks.tenant(r.tenant)
    p = r.purpose
    checks.purpose(p.id, "purpose.id")
    for name, limit in (("title", 256), ("description", 4096), ("dpv_iri", 256), ("retention", 64)):
        checks.text(getattr(p, name), f"purpose.{name}", limit)
    _short(p.data_categories, "purpose.data_categories", 200)
    _short(p.sector_regimes, "purpose.sector_regimes", 16)
    if p.notice_id:
        checks.purpose(p.notice_id, "purpose.notice_id")
    if not 1 <= len(p.bases) <= 64 or len({b.regime for b in p.bases}) != len(p.bases):
        raise invalid("purpose.bases", "1 to 64, no regime twice")
    for basis in p.bases:
        checks.one_of(basis.basis, range(1, 9), "purpose.bases.basis")


def _notice(notice: ev.Notice) -> None:
    checks.purpose(notice.id, "notice.id")
    if not notice.version:
        raise invalid("notice.version", "set")
    checks.notice_version(notice.version, "notice.version")
    checks.language(notice.language, "notice.language")
    checks.text(notice.text, "notice.text", 32_768)
    checks.purposes(notice.purposes, "notice.purposes")
    if len(notice.text_sha256) not in (0, 32) or not (notice.text or notice.text_sha256):
        raise invalid("notice.text_sha256", "32 bytes, or a text")


def _short(values: Iterable[str], field: str, most: int) -> None:
    kept = list(values)
    if len(kept) > most or len(set(kept)) != len(kept):
        raise invalid(field, f"at most {most}, none twice")
    for value in kept:
        checks.text(value, field, 256)
