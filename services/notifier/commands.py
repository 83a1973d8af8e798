"""What changes the notifier's log, as the committer runs it: which streams are needed, and the decision.

- Each refuses before it has changed anything, as the committer demands.
- The answer is serialised here, inside the transaction, so that a repeat returns it byte for byte.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from eventsourcing.domain import Aggregate

from consentledger.errors import LedgerError, Reason
from consentledger.store.commands import Decided, Draft
from consentledger.store.ledger import RequestKey
from consentledger.store.moment import Moment
from consentledger.store.token import token
from consentledger.v1 import notifier_service_pb2 as ns
from services.notifier import codec
from services.notifier.domain.downstream import DownstreamDef, Downstreams, downstreams_stream, register, update
from services.notifier.domain.obligation import Evidence, Step
from services.notifier.domain.revocation import Due, Revocation, due
from services.notifier.memory import Aggregates
from services.notifier.views import obligation_to, view_of
from services.notifier.wire import downstream_to

SERVICE = "notifier"


def _drafts(tenant: str, aggregate: Aggregate) -> list[Draft]:
    return [codec.draft(tenant, event) for event in aggregate.collect_events()]


@dataclass(slots=True)
class RegisterDownstream:
    """Add a downstream. Revocations taken from here on reach it."""

    memory: Aggregates
    tenant: str
    downstream: DownstreamDef
    request: RequestKey | None

    def streams(self) -> Iterable[bytes]:
        """The tenant's downstreams."""
        return (downstreams_stream(self.tenant).bytes,)

    def decide(self, at: Moment) -> Decided:
        """DOWNSTREAM_EXISTS if the id is taken."""
        known = self.memory.downstreams(self.tenant)
        if known is None:
            known = Downstreams.open(self.tenant, self.downstream, at)
            self.memory.put(known)
        else:
            register(known, self.downstream, at)
        answer = ns.RegisterDownstreamResponse(
            downstream=downstream_to(known.members[self.downstream.id]),
            consistency_token=token(SERVICE, at.epoch, at.position),
        )
        return Decided(_drafts(self.tenant, known), known.id.bytes, answer.SerializeToString())


@dataclass(slots=True)
class UpdateDownstream:
    """Replace a downstream."""

    memory: Aggregates
    tenant: str
    downstream: DownstreamDef
    request: RequestKey | None

    def streams(self) -> Iterable[bytes]:
        """The tenant's downstreams."""
        return (downstreams_stream(self.tenant).bytes,)

    def decide(self, at: Moment) -> Decided:
        """DOWNSTREAM_UNKNOWN, or CATALOGUE_CONFLICT for a version that does not stand."""
        known = self.memory.downstreams(self.tenant)
        update(known, self.downstream, at)
        assert known is not None
        answer = ns.UpdateDownstreamResponse(
            downstream=downstream_to(known.members[self.downstream.id]),
            consistency_token=token(SERVICE, at.epoch, at.position),
        )
        return Decided(_drafts(self.tenant, known), known.id.bytes, answer.SerializeToString())


@dataclass(slots=True)
class TakeRevocations:
    """Make the obligations that these revocations ask for. Those made before are left as they are."""

    memory: Aggregates
    revocations: Sequence[Revocation]
    request: None = None
    _planned: list[Due] = field(default_factory=list)

    def streams(self) -> Iterable[bytes]:
        """The tenants' downstreams, and the obligations that follow from them as they are known now.

        What is planned at the last call, when everything named is loaded, is what is decided: an obligation is never
        made without having been looked for.
        """
        self._planned = []
        for revocation in self.revocations:
            yield downstreams_stream(revocation.tenant).bytes
            known = self.memory.downstreams(revocation.tenant)
            if known is not None:
                self._planned += due(revocation, known)
        for planned in self._planned:
            yield planned.id.bytes

    def decide(self, at: Moment) -> Decided:
        """Never refuses."""
        drafts: list[Draft] = []
        for planned in self._planned:
            if self.memory.obligation(planned.id.bytes) is None:
                made = planned.make(at)
                self.memory.put(made)
                drafts += _drafts(planned.revocation.tenant, made)
        return Decided(drafts, b"", b"")


@dataclass(slots=True)
class MarkSent:
    """Record that the carrier has these obligations durably."""

    memory: Aggregates
    sent: Sequence[tuple[bytes, int]]
    """(obligation, sequence in ENFORCE)."""
    request: None = None

    def streams(self) -> Iterable[bytes]:
        """The obligations."""
        return (obligation for obligation, _ in self.sent)

    def decide(self, at: Moment) -> Decided:
        """Never refuses; an obligation that is further already stays where it is."""
        drafts: list[Draft] = []
        for id, sequence in self.sent:
            obligation = self.memory.obligation(id)
            if obligation is not None and obligation.mark_sent(sequence, at):
                drafts += _drafts(obligation.tenant, obligation)
        return Decided(drafts, b"", b"")


@dataclass(slots=True)
class Acknowledge:
    """Record what a downstream told about one of its obligations."""

    memory: Aggregates
    tenant: str
    downstream: str | None
    """Who speaks, where that is known: another's obligation is as unknown as none."""
    obligation: bytes
    outcome: Step
    evidence: Evidence
    request: RequestKey | None

    def streams(self) -> Iterable[bytes]:
        """The obligation."""
        return (self.obligation,)

    def decide(self, at: Moment) -> Decided:
        """OBLIGATION_UNKNOWN, also for a foreign one; OBLIGATION_CLOSED for a contradiction."""
        found = self.memory.obligation(self.obligation)
        if found is None or found.tenant != self.tenant or self.downstream not in (None, found.downstream):
            raise LedgerError(Reason.OBLIGATION_UNKNOWN)
        found.acknowledge(self.outcome, self.evidence, at)
        answer = ns.AcknowledgeObligationResponse(
            obligation=obligation_to(view_of(found)), consistency_token=token(SERVICE, at.epoch, at.position)
        )
        return Decided(_drafts(self.tenant, found), self.obligation, answer.SerializeToString())
