"""Entries of the consent service's log that the stream LEDGER no longer has, read from the service itself.

The log is exported whole, of all tenants and of none, without what is sealed. Only what is complete is returned: a
position that is missing was not seen, and it might be a revocation.
"""

from typing import Any, Protocol

from consentledger.v1 import audit_service_pb2 as au

WINDOW = 5_000
"""How many positions are asked for at once."""


class IncompleteReplay(Exception):
    """Some position did not come, or came without its leaf."""


class LedgerReader(Protocol):
    """The consent service's log."""

    async def entries(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """(position, leaf) of the positions after+1 to after+limit, every one of them. Raises if one is missing."""


class AuditStub(Protocol):
    """What is used of the generated stub."""

    @property
    def ExportLog(self) -> Any:
        """The rpc."""


class ReplayedLedger:
    """A `LedgerReader` over the calls that the consent service offers to everybody."""

    def __init__(self, audit: AuditStub, timeout: float) -> None:
        self._audit = audit
        self._timeout = timeout

    async def entries(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """See `LedgerReader`."""
        request = au.ExportLogRequest(from_position=after + 1, to_position=after + limit)
        leaves: list[bytes] = []
        async for chunk in self._audit.ExportLog(request, timeout=self._timeout):
            leaves += [entry.leaf for entry in chunk.entries]
        if len(leaves) != limit or not all(leaves):
            raise IncompleteReplay("the export does not cover every position")
        return list(enumerate(leaves, after + 1))
