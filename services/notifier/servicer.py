"""NotifierService on the wire: check the form, call the use case."""

from consentledger.rpc.call import Call
from consentledger.v1 import notifier_service_pb2 as ns
from services.notifier import checks
from services.notifier.application import Application


class NotifierServicer:
    """See `notifier_service.proto`."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def RegisterDownstream(self, r: ns.RegisterDownstreamRequest, call: Call) -> ns.RegisterDownstreamResponse:
        """Add a downstream."""
        checks.uuid(r.request_id, "request_id")
        checks.tenant(r.tenant)
        checks.downstream(r.downstream, self._application.plain_hosts)
        return await self._application.register(r)

    async def UpdateDownstream(self, r: ns.UpdateDownstreamRequest, call: Call) -> ns.UpdateDownstreamResponse:
        """Replace a downstream."""
        checks.uuid(r.request_id, "request_id")
        checks.tenant(r.tenant)
        checks.downstream(r.downstream, self._application.plain_hosts)
        return await self._application.update(r)

    async def GetDownstream(self, r: ns.GetDownstreamRequest, call: Call) -> ns.GetDownstreamResponse:
        """One downstream."""
        checks.tenant(r.tenant)
        checks.downstream_id(r.downstream)
        return await self._application.downstream(r)

    async def ListDownstreams(self, r: ns.ListDownstreamsRequest, call: Call) -> ns.ListDownstreamsResponse:
        """A tenant's downstreams, by id."""
        checks.tenant(r.tenant)
        return await self._application.downstreams(r)

    async def RotateSecret(self, r: ns.RotateSecretRequest, call: Call) -> ns.RotateSecretResponse:
        """A new secret for a webhook."""
        checks.uuid(r.request_id, "request_id")
        checks.tenant(r.tenant)
        checks.downstream_id(r.downstream)
        checks.overlap(r.overlap_seconds)
        return await self._application.rotate_secret(r)

    async def AcknowledgeObligation(
        self, r: ns.AcknowledgeObligationRequest, call: Call
    ) -> ns.AcknowledgeObligationResponse:
        """Record what a downstream did."""
        checks.uuid(r.request_id, "request_id")
        checks.tenant(r.tenant)
        checks.uuid(r.obligation, "obligation")
        checks.evidence(r.evidence, checks.outcome(r.outcome))
        return await self._application.acknowledge(r)

    async def ListObligations(self, r: ns.ListObligationsRequest, call: Call) -> ns.ListObligationsResponse:
        """A tenant's obligations, in the order they were made."""
        checks.tenant(r.tenant)
        if r.downstream:
            checks.downstream_id(r.downstream)
        checks.state(r.state)
        checks.position(r.ledger_position, "ledger_position")
        return await self._application.obligations(r)
