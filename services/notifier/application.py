"""The use cases that callers ask for, from a checked request to an answer."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from google.protobuf.message import Message

from consentledger.crypto.blind import request_mac
from consentledger.errors import LedgerError, Reason
from consentledger.store.committer import Committer
from consentledger.store.ledger import RequestKey, Store
from consentledger.v1 import notifier_service_pb2 as ns
from services.notifier import checks
from services.notifier.commands import Acknowledge, RegisterDownstream, UpdateDownstream
from services.notifier.domain.obligation import Step
from services.notifier.memory import Aggregates
from services.notifier.paging import key_after, number_after, page_size, token_after
from services.notifier.projection import read
from services.notifier.tenants import Tenants
from services.notifier.views import obligation_to
from services.notifier.webhooks.commands import RotateSecret
from services.notifier.webhooks.keys import WebhookKeys
from services.notifier.wire import downstream_from, downstream_to, evidence_from

DEFAULT_OVERLAP_S = 86_400
"""How long an old secret signs beside its successor."""


@dataclass(frozen=True, slots=True)
class Application:
    """Made with everything it needs."""

    committer: Committer
    memory: Aggregates
    store: Store
    tenants: Tenants
    mac_key: bytes
    reached: Callable[[], int]
    """The position of the consent service's log up to which every obligation is made."""
    keys: WebhookKeys
    plain_hosts: Collection[str] = ()
    """The hosts whose webhooks may do without TLS."""

    async def register(self, r: ns.RegisterDownstreamRequest) -> ns.RegisterDownstreamResponse:
        """RegisterDownstream; the tenant must exist."""
        await self.tenants.require(r.tenant)
        key = self._request_key("RegisterDownstream", r.tenant, r.request_id, r)
        command = RegisterDownstream(self.memory, r.tenant, downstream_from(r.downstream), key)
        answer = ns.RegisterDownstreamResponse.FromString((await self.committer.submit(command)).answer)
        self._tell_secret(r.tenant, answer)
        return answer

    async def update(self, r: ns.UpdateDownstreamRequest) -> ns.UpdateDownstreamResponse:
        """UpdateDownstream."""
        key = self._request_key("UpdateDownstream", r.tenant, r.request_id, r)
        command = UpdateDownstream(self.memory, r.tenant, downstream_from(r.downstream), key)
        answer = ns.UpdateDownstreamResponse.FromString((await self.committer.submit(command)).answer)
        self._tell_secret(r.tenant, answer)
        return answer

    async def rotate_secret(self, r: ns.RotateSecretRequest) -> ns.RotateSecretResponse:
        """RotateSecret."""
        key = self._request_key("RotateSecret", r.tenant, r.request_id, r)
        overlap_s = r.overlap_seconds if r.HasField("overlap_seconds") else DEFAULT_OVERLAP_S
        command = RotateSecret(self.memory, r.tenant, r.downstream, overlap_s, key)
        answer = ns.RotateSecretResponse.FromString((await self.committer.submit(command)).answer)
        self._tell_secret(r.tenant, answer)
        return answer

    async def acknowledge(self, r: ns.AcknowledgeObligationRequest) -> ns.AcknowledgeObligationResponse:
        """AcknowledgeObligation: the same as an answer on ACKS."""
        key = self._request_key("AcknowledgeObligation", r.tenant, r.request_id, r)
        obligation = checks.uuid(r.obligation, "obligation")
        told = evidence_from(r.evidence)
        command = Acknowledge(self.memory, r.tenant, None, obligation, Step(r.outcome), told, key)
        return ns.AcknowledgeObligationResponse.FromString((await self.committer.submit(command)).answer)

    async def downstream(self, r: ns.GetDownstreamRequest) -> ns.GetDownstreamResponse:
        """GetDownstream."""
        found = await read.downstream(self.store, r.tenant, r.downstream)
        if found is None:
            raise LedgerError(Reason.DOWNSTREAM_UNKNOWN)
        return ns.GetDownstreamResponse(downstream=downstream_to(found))

    async def downstreams(self, r: ns.ListDownstreamsRequest) -> ns.ListDownstreamsResponse:
        """ListDownstreams."""
        size, filters = page_size(r.page_size), ("downstreams", r.tenant)
        found = await read.downstreams(self.store, r.tenant, key_after(r.page_token, *filters), size + 1)
        more = len(found) > size
        return ns.ListDownstreamsResponse(
            downstreams=map(downstream_to, found[:size]),
            next_page_token=token_after(found[size - 1].id, *filters) if more else "",
        )

    async def obligations(self, r: ns.ListObligationsRequest) -> ns.ListObligationsResponse:
        """ListObligations."""
        filters = ("obligations", r.tenant, r.downstream, str(r.state), str(r.ledger_position))
        size, reached = page_size(r.page_size), self.reached()  # before the look: what it covers is on the pages
        found = await read.obligations(
            self.store,
            r.tenant,
            number_after(r.page_token, *filters),
            size + 1,
            downstream=r.downstream,
            state=r.state,
            ledger_position=r.ledger_position,
        )
        more = len(found) > size
        return ns.ListObligationsResponse(
            obligations=[obligation_to(view) for _, view in found[:size]],
            next_page_token=token_after(str(found[size - 1][0]), *filters) if more else "",
            reached=reached,
        )

    def _tell_secret(
        self,
        tenant: str,
        answer: ns.RegisterDownstreamResponse | ns.UpdateDownstreamResponse | ns.RotateSecretResponse,
    ) -> None:
        """Fill in the secret where the write has made one, which also its repeats are told."""
        if answer.HasField("webhook_secret"):
            made = answer.downstream
            answer.webhook_secret.CopyFrom(self.keys.shown(tenant, made.id, made.webhook.secret_version))

    def _request_key(self, method: str, tenant: str, request_id: str, message: Message) -> RequestKey:
        mac = request_mac(self.mac_key, method, message.SerializeToString(deterministic=True))
        return RequestKey(tenant, method, checks.uuid(request_id, "request_id"), mac)
