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


def drafts_of(tenant: str, aggregate: Aggregate) -> list[Draft]:
    """What an aggregate has decided and not yet written."""
    return [codec.draft(tenant, event) for event in aggregate.collect_events()]


def room_for_secret(made: DownstreamDef) -> ns.WebhookSecret | None:
    """An empty place in the answer if this very version made a secret. Whoever hands the answer out fills it in: an
    answer is kept for repeats, and a secret is kept nowhere."""
    webhook = made.webhook
    return ns.WebhookSecret() if webhook is not None and webhook.secret_version == made.version else None


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
        made = known.members[self.downstream.id]
        answer = ns.RegisterDownstreamResponse(
            downstream=downstream_to(made),
            consistency_token=token(SERVICE, at.epoch, at.position),
            webhook_secret=room_for_secret(made),
        )
        return Decided(drafts_of(self.tenant, known), known.id.bytes, answer.SerializeToString())


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
        changed = update(known, self.downstream, at)
        assert known is not None
        made = known.members[self.downstream.id]
        answer = ns.UpdateDownstreamResponse(
            downstream=downstream_to(made),
            consistency_token=token(SERVICE, at.epoch, at.position),
            webhook_secret=room_for_secret(made) if changed else None,
        )
        return Decided(drafts_of(self.tenant, known), known.id.bytes, answer.SerializeToString())


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
                self._planned += map(self._own, due(revocation, known))
        for planned in self._planned:
            yield planned.id.bytes

    def _own(self, planned: Due) -> Due:
        """Under the id that is its own, as far as is known now."""
        made = self.memory.obligation(planned.id.bytes)
        return planned if made is None or planned.of(made) else planned.again()

    def decide(self, at: Moment) -> Decided:
        """Never refuses."""
        drafts: list[Draft] = []
        for planned in self._planned:
            if self.memory.obligation(planned.id.bytes) is None:
                made = planned.make(at)
                self.memory.put(made)
                drafts += drafts_of(planned.revocation.tenant, made)
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
                drafts += drafts_of(obligation.tenant, obligation)
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
        return Decided(drafts_of(self.tenant, found), self.obligation, answer.SerializeToString())
