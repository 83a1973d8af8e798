"""The rpcs of ConsentService about erasure and legal holds, on the wire: check the form, call the use case."""

from consentledger.errors import invalid
from consentledger.rpc.call import Call
from consentledger.v1 import consent_service_pb2 as cs
from services.consent import checks
from services.consent.erasures import Erasures

MOST_WAIT_S = 90 * 86_400
"""How long recipients of an erased person's data may be waited for."""


class ErasureRpcs:
    """See `consent_service.proto` for what each promises."""

    def __init__(self, erasures: Erasures) -> None:
        self._erasures = erasures

    async def EraseSubject(self, r: cs.EraseSubjectRequest, call: Call) -> cs.EraseSubjectResponse:
        """Erase a person."""
        _act(r)
        if r.recipients_within_seconds > MOST_WAIT_S:
            raise invalid("recipients_within_seconds", f"at most {MOST_WAIT_S}")
        return await self._erasures.erase(r)

    async def GetErasure(self, r: cs.GetErasureRequest, call: Call) -> cs.GetErasureResponse:
        """How far an erasure is."""
        checks.tenant(r.tenant)
        checks.uuid(r.erasure_id, "erasure_id")
        return await self._erasures.how_far(r)

    async def SetHold(self, r: cs.SetHoldRequest, call: Call) -> cs.SetHoldResponse:
        """Place a legal hold."""
        _hold(r)
        return await self._erasures.hold(r)

    async def LiftHold(self, r: cs.LiftHoldRequest, call: Call) -> cs.LiftHoldResponse:
        """Lift one."""
        _hold(r)
        return await self._erasures.lift(r)


def _act(r: cs.EraseSubjectRequest | cs.SetHoldRequest | cs.LiftHoldRequest) -> None:
    checks.request_id(r.request_id)
    checks.tenant(r.tenant)
    checks.subject(r.subject)
    checks.context(r.context)


def _hold(r: cs.SetHoldRequest | cs.LiftHoldRequest) -> None:
    _act(r)
    checks.hold(r.hold)
    checks.text(r.reason, "reason", 4096)
