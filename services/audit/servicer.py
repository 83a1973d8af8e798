"""AuditService on the wire: check the form, call the use case. The forms of persons are checked by `persons`."""

import re
from collections.abc import AsyncIterator

from consentledger.errors import invalid
from consentledger.rpc.call import Call
from consentledger.v1 import audit_service_pb2 as au
from services.audit import exporting, proving, replaying
from services.audit.logs import Logs

LARGEST = (1 << 63) - 1
MOST_TENANTS = 1_000
_TENANT = re.compile(r"[a-z0-9-]{1,63}")
_TYPE = re.compile(r"[a-z0-9._-]{1,64}")
_LOG = re.compile(r"[a-z0-9_]{0,32}")


class AuditServicer:
    """See `audit_service.proto` for what each rpc promises."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs

    async def ReplayEvents(self, r: au.ReplayEventsRequest, call: Call) -> AsyncIterator[au.ReplayEventsResponse]:
        """Leaves of one tenant."""
        _log(r.log)
        _match(_TENANT, r.tenant, "tenant")
        _places(from_position=r.from_position, to_position=r.to_position)
        if len(r.types) > 100:
            raise invalid("types", "at most 100")
        for name in r.types:
            _match(_TYPE, name, "types")
        if r.HasField("from_time") and not (0 <= r.from_time.seconds < 1 << 33 and 0 <= r.from_time.nanos < 10**9):
            raise invalid("from_time", "after 1970")
        async for chunk in replaying.replay(self._logs, r):
            yield chunk

    async def ExportLog(self, r: au.ExportLogRequest, call: Call) -> AsyncIterator[au.ExportLogResponse]:
        """A log for offline verification."""
        _log(r.log)
        _places(from_position=r.from_position, to_position=r.to_position)
        if len(r.tenants) > MOST_TENANTS:
            raise invalid("tenants", f"at most {MOST_TENANTS}")
        for tenant in r.tenants:
            _match(_TENANT, tenant, "tenants")
        async for chunk in exporting.export(self._logs, r):
            yield chunk

    async def GetCheckpoint(self, r: au.GetCheckpointRequest, call: Call) -> au.GetCheckpointResponse:
        """The newest signed tree head."""
        _log(r.log)
        return await proving.checkpoint(self._logs, r)

    async def GetInclusionProof(self, r: au.GetInclusionProofRequest, call: Call) -> au.GetInclusionProofResponse:
        """That a position is in a tree."""
        _log(r.log)
        _places(position=r.position, size=r.size)
        return await proving.inclusion(self._logs, r)

    async def GetConsistencyProof(self, r: au.GetConsistencyProofRequest, call: Call) -> au.GetConsistencyProofResponse:
        """That a tree begins another."""
        _log(r.log)
        _places(from_size=r.from_size, to_size=r.to_size)
        return await proving.consistency(self._logs, r)

    async def GetReceipt(self, r: au.GetReceiptRequest, call: Call) -> au.GetReceiptResponse:
        """One event with its proof."""
        _log(r.log)
        _match(_TENANT, r.tenant, "tenant")
        _places(position=r.position)
        return await proving.receipt(self._logs, r)

    async def GetSubjectHistory(self, r: au.GetSubjectHistoryRequest, call: Call) -> au.GetSubjectHistoryResponse:
        """One person's timeline."""
        return await self._logs.of_persons().timeline(r)

    async def ListAccesses(self, r: au.ListAccessesRequest, call: Call) -> au.ListAccessesResponse:
        """Who looked."""
        return await self._logs.of_persons().accesses(r)


def _log(name: str) -> None:
    _match(_LOG, name, "log")


def _match(pattern: re.Pattern[str], value: str, field: str) -> None:
    if not pattern.fullmatch(value):
        raise invalid(field, pattern.pattern)


def _places(**fields: int) -> None:
    for field, value in fields.items():
        if value > LARGEST:
            raise invalid(field, "below 2^63")
