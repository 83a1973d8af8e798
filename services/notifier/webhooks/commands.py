"""What webhooks change in the log, as the committer runs it; see `services.notifier.commands`."""

from collections.abc import Iterable
from dataclasses import dataclass

from consentledger.store.commands import Decided, Draft
from consentledger.store.ledger import RequestKey
from consentledger.store.moment import Moment
from consentledger.store.token import token
from consentledger.v1 import notifier_service_pb2 as ns
from services.notifier.commands import SERVICE, drafts_of, room_for_secret
from services.notifier.domain.downstream import disable, downstreams_stream, rotate
from services.notifier.memory import Aggregates
from services.notifier.wire import downstream_to


@dataclass(slots=True)
class RotateSecret:
    """Give a webhook a new secret."""

    memory: Aggregates
    tenant: str
    downstream: str
    overlap_s: int
    request: RequestKey | None

    def streams(self) -> Iterable[bytes]:
        """The tenant's downstreams."""
        return (downstreams_stream(self.tenant).bytes,)

    def decide(self, at: Moment) -> Decided:
        """DOWNSTREAM_UNKNOWN; INVALID_FIELD for one without a webhook."""
        known = self.memory.downstreams(self.tenant)
        rotate(known, self.downstream, self.overlap_s, at)
        assert known is not None
        made = known.members[self.downstream]
        answer = ns.RotateSecretResponse(
            downstream=downstream_to(made),
            consistency_token=token(SERVICE, at.epoch, at.position),
            webhook_secret=room_for_secret(made),
        )
        return Decided(drafts_of(self.tenant, known), known.id.bytes, answer.SerializeToString())


@dataclass(slots=True)
class Bury:
    """Record that an obligation is not tried again, and send nothing more to a receiver that wants nothing more."""

    memory: Aggregates
    tenant: str
    downstream: str
    obligation: bytes
    reason: str
    gone: bool
    """Whether the receiver said so."""
    request: None = None

    def streams(self) -> Iterable[bytes]:
        """The obligation, and the tenant's downstreams."""
        return (self.obligation, downstreams_stream(self.tenant).bytes)

    def decide(self, at: Moment) -> Decided:
        """Never refuses; what has arrived after all stays as it is."""
        drafts: list[Draft] = []
        found = self.memory.obligation(self.obligation)
        if found is not None and found.bury(self.reason, at):
            drafts += drafts_of(self.tenant, found)
        known = self.memory.downstreams(self.tenant)
        if self.gone and known is not None and disable(known, self.downstream, at):
            drafts += drafts_of(self.tenant, known)
        return Decided(drafts, b"", b"")
