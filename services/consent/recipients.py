"""What became of telling those who received a person's data: asked of the notifier, which tells them.

- Told is who has enforced, cannot, or need not; an obligation that failed may still be enforced, and is waited for.
- The notifier says how far it has come in our log: before it has come to an erasure, an empty list says nothing.
"""

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from consentledger.errors import LedgerError
from consentledger.rpc.channel import call
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as ns

Outcome: TypeAlias = tuple[str, int, str]
"""(downstream, state of its obligation, why it is not ENFORCED)."""
UNREACHABLE: Outcome = ("", ev.OBLIGATION_STATE_UNSPECIFIED, "unreachable")
"""Nobody could say whether anybody was told."""
NOT_REACHED: Outcome = ("", ev.OBLIGATION_STATE_UNSPECIFIED, "deadline")
"""The notifier had not come so far."""
MOST = 500
"""Outcomes of one person: an attestation must fit a leaf. The notifier's log has all."""
_SETTLED: dict[int, str] = {
    ev.OBLIGATION_STATE_ENFORCED: "",
    ev.OBLIGATION_STATE_IMPOSSIBLE: "impossible",
    ev.OBLIGATION_STATE_WAIVED: "waived",
}
_PAGE = 1_000


class Unreachable(Exception):
    """The notifier cannot be asked now."""


@dataclass(frozen=True, slots=True)
class Told:
    """How far telling the recipients of one revocation has come."""

    reached: bool
    """Whether the notifier has made every obligation that follows from it."""
    obligations: tuple[tuple[str, int], ...]
    """(downstream, state)."""

    @property
    def everybody(self) -> bool:
        """Whether there is nobody left to wait for."""
        return self.reached and all(state in _SETTLED for _, state in self.obligations)

    def outcomes(self) -> tuple[Outcome, ...]:
        """What is recorded when waiting ends now: those who did not enforce come first."""
        found = [(downstream, state, _SETTLED.get(state, "deadline")) for downstream, state in self.obligations]
        missing = [] if self.reached else [NOT_REACHED]
        return tuple(sorted([*missing, *found], key=lambda outcome: (not outcome[2], outcome[0]))[:MOST])


class Recipients(Protocol):
    """Who knows what became of it."""

    async def told(self, tenant: str, position: int) -> Told:
        """About the revocation at this position of our log. Raises Unreachable."""


class Nobody:
    """No notifier is known: nobody can say."""

    async def told(self, tenant: str, position: int) -> Told:
        """See `Recipients`."""
        raise Unreachable


class NotifierStub(Protocol):
    """What is used of the generated stub."""

    @property
    def ListObligations(self) -> Any:
        """The rpc."""


class Notified:
    """`Recipients` over the notifier's own rpc."""

    def __init__(self, stub: NotifierStub, timeout: float = 5.0) -> None:
        self._stub = stub
        self._timeout = timeout

    async def told(self, tenant: str, position: int) -> Told:
        """See `Recipients`."""
        request = ns.ListObligationsRequest(tenant=tenant, ledger_position=position, page_size=_PAGE)
        reached: bool | None = None
        found: list[tuple[str, int]] = []
        while True:
            try:
                answer: ns.ListObligationsResponse = await call(self._stub.ListObligations, request, self._timeout)
            except LedgerError:
                raise Unreachable from None
            if reached is None:  # the first page's: what is made after it may be on no page
                reached = answer.reached >= position
            found += [(obligation.downstream, int(obligation.state)) for obligation in answer.obligations]
            request.page_token = answer.next_page_token
            if not request.page_token:
                return Told(reached, tuple(found))
