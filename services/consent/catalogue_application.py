"""The writes of the catalogue: tenants, purposes, notices. The same committer, the same protection against repeats."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from google.protobuf.message import Message

from consentledger.errors import LedgerError, Reason, invalid
from consentledger.regimes.model import Regimes
from consentledger.store.token import token
from consentledger.v1 import purpose_service_pb2 as ps
from consentledger.v1 import tenant_service_pb2 as ts
from services.consent.application import SERVICE, Application
from services.consent.commands import Act, Rule, Scene
from services.consent.domain import catalogue as domain
from services.consent.domain.catalogue import Catalogue, NoticeDef, PurposeDef
from services.consent.wire import notice_from, notice_to, purpose_from, purpose_to, tenant_from, tenant_to

A = TypeVar("A", bound=Message)
Change = Callable[[Catalogue, Scene], Message]


@dataclass(frozen=True, slots=True)
class CatalogueApplication:
    """The use cases that change a catalogue."""

    application: Application
    regimes: Regimes

    async def create_tenant(self, r: ts.CreateTenantRequest) -> ts.CreateTenantResponse:
        """CreateTenant."""
        tenant = tenant_from(r.tenant)
        self._known_place(tenant.default_jurisdiction)

        def rule(scene: Scene) -> Message:
            if scene.find_catalogue() is not None:
                raise LedgerError(Reason.TENANT_EXISTS)
            opened = Catalogue.open(tenant, scene.at)
            scene.add(opened)
            return ts.CreateTenantResponse(tenant=tenant_to(opened.tenant), consistency_token=_token(scene))

        return await self._submit("CreateTenant", tenant.id, r.request_id, r, rule, ts.CreateTenantResponse)

    async def update_tenant(self, r: ts.UpdateTenantRequest) -> ts.UpdateTenantResponse:
        """UpdateTenant."""
        tenant = tenant_from(r.tenant)
        self._known_place(tenant.default_jurisdiction)

        def change(c: Catalogue, scene: Scene) -> Message:
            domain.update_tenant(c, tenant, scene.at)
            return ts.UpdateTenantResponse(tenant=tenant_to(c.tenant), consistency_token=_token(scene))

        return await self._change("UpdateTenant", tenant.id, r.request_id, r, change, ts.UpdateTenantResponse)

    async def create_purpose(self, r: ps.CreatePurposeRequest) -> ps.CreatePurposeResponse:
        """CreatePurpose."""
        purpose = self._purpose(r)

        def change(c: Catalogue, scene: Scene) -> Message:
            domain.create_purpose(c, purpose, scene.at)
            made = purpose_to(c.purposes[purpose.id])
            return ps.CreatePurposeResponse(purpose=made, consistency_token=_token(scene))

        return await self._change("CreatePurpose", r.tenant, r.request_id, r, change, ps.CreatePurposeResponse)

    async def update_purpose(self, r: ps.UpdatePurposeRequest) -> ps.UpdatePurposeResponse:
        """UpdatePurpose."""
        purpose = self._purpose(r)

        def change(c: Catalogue, scene: Scene) -> Message:
            domain.update_purpose(c, purpose, scene.at)
            made = purpose_to(c.purposes[purpose.id])
            return ps.UpdatePurposeResponse(purpose=made, consistency_token=_token(scene))

        return await self._change("UpdatePurpose", r.tenant, r.request_id, r, change, ps.UpdatePurposeResponse)

    async def retire_purpose(self, r: ps.RetirePurposeRequest) -> ps.RetirePurposeResponse:
        """RetirePurpose. Retiring twice records nothing."""

        def change(c: Catalogue, scene: Scene) -> Message:
            domain.retire_purpose(c, r.purpose, scene.at)
            made = purpose_to(c.purposes[r.purpose])
            return ps.RetirePurposeResponse(purpose=made, consistency_token=_token(scene))

        return await self._change("RetirePurpose", r.tenant, r.request_id, r, change, ps.RetirePurposeResponse)

    async def publish_notice(self, r: ps.PublishNoticeRequest) -> ps.PublishNoticeResponse:
        """PublishNotice."""
        notice = _hashed(notice_from(r.notice))

        def change(c: Catalogue, scene: Scene) -> Message:
            domain.publish_notice(c, notice, scene.at)
            made = notice_to(c.notices[notice.version])
            return ps.PublishNoticeResponse(notice=made, consistency_token=_token(scene))

        return await self._change("PublishNotice", r.tenant, r.request_id, r, change, ps.PublishNoticeResponse)

    def _known_place(self, jurisdiction: str) -> None:
        if jurisdiction:
            try:
                self.regimes.at(jurisdiction)
            except KeyError:
                raise invalid("tenant.default_jurisdiction", "ISO 3166-1 or 3166-2") from None

    def _purpose(self, r: ps.CreatePurposeRequest | ps.UpdatePurposeRequest) -> PurposeDef:
        purpose = purpose_from(r.purpose)
        for regime in (*purpose.bases, *purpose.sector_regimes):
            if regime not in self.regimes.by_id:
                raise LedgerError(Reason.REGIME_UNKNOWN)
        return purpose

    async def _change(
        self, method: str, tenant: str, request_id: str, message: Message, change: Change, answer: type[A]
    ) -> A:
        return await self._submit(
            method, tenant, request_id, message, lambda scene: change(scene.catalogue(), scene), answer
        )

    async def _submit(
        self, method: str, tenant: str, request_id: str, message: Message, rule: Rule, answer: type[A]
    ) -> A:
        app = self.application
        key = app.request_key(method, tenant, request_id, message)
        committed = await app.committer.submit(Act(app.memory, app.regimes, tenant, (), rule, key))
        return answer.FromString(committed.answer)


def _hashed(notice: NoticeDef) -> NoticeDef:
    digest = hashlib.sha256(notice.text.encode()).digest()
    if notice.text and notice.text_sha256 and notice.text_sha256 != digest:
        raise invalid("notice.text_sha256", "the SHA-256 of the text")
    return replace(notice, text_sha256=digest) if notice.text else notice


def _token(scene: Scene) -> str:
    return token(SERVICE, scene.at.epoch, scene.at.position)
