"""One obligation: a revocation that one downstream must enforce. Pure.

- Its id follows from tenant, downstream and ledger position, so that the same revocation never makes two. Where the
  ledger went on without events that it had lost, a position has had two: the later one's id also says when it was.
- PENDING -> SENT -> RECEIVED -> ENFORCED or FAILED, and FAILED -> ENFORCED. Steps may be skipped, because what a
  downstream says may overtake what we recorded. What says nothing new changes nothing.
- ENFORCED is final: that it FAILED after all is a contradiction, OBLIGATION_CLOSED.
- DEAD is what nobody took: trying has ended. What the downstream then says after all is heard.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.domain import Aggregate, event

from consentledger.errors import LedgerError, Reason
from consentledger.store.moment import Moment


class Step(IntEnum):
    """Where an obligation stands; numbers are those of `ObligationState` in the protos."""

    PENDING = 1
    SENT = 2
    RECEIVED = 3
    ENFORCED = 4
    FAILED = 5
    DEAD = 6


STEPS = {
    Step.PENDING: {Step.SENT, Step.RECEIVED, Step.ENFORCED, Step.FAILED, Step.DEAD},
    Step.SENT: {Step.RECEIVED, Step.ENFORCED, Step.FAILED, Step.DEAD},
    Step.RECEIVED: {Step.ENFORCED, Step.FAILED},
    Step.FAILED: {Step.ENFORCED},
    Step.ENFORCED: set[Step](),
    Step.DEAD: {Step.RECEIVED, Step.ENFORCED, Step.FAILED},
}
"""Which steps may follow which. Any other step says nothing new, or contradicts."""

OUTCOMES = (Step.RECEIVED, Step.ENFORCED, Step.FAILED)
"""The steps that a downstream may tell."""


def advances(now: Step, to: Step) -> bool:
    """Whether `to` is a step forward; False when it says nothing new. OBLIGATION_CLOSED when it contradicts."""
    if now is Step.ENFORCED and to is Step.FAILED:
        raise LedgerError(Reason.OBLIGATION_CLOSED)
    return to in STEPS[now]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a downstream says of its enforcement. Nothing personal."""

    enforced_us: int | None = None
    """The downstream's own time."""
    method: str = ""
    records_affected: int = 0
    failure_reason: str = ""
    received_us: int | None = None
    """The ledger's own time."""


def obligation_stream(tenant: str, downstream: str, ledger_position: int, *, lost: int | None = None) -> UUID:
    """The obligation's id, which is its stream. `lost` tells two revocations apart that stood at one position."""
    after = "" if lost is None else f":{lost}"
    return uuid5(NAMESPACE_URL, f"consentledger:obligation:{tenant}:{downstream}:{ledger_position}{after}")


class StepEvent(Aggregate.Event):
    """What every step after the first has."""

    position: int
    recorded_us: int
    downstream: str
    ledger_position: int


class AnswerEvent(StepEvent):
    """A step that the downstream told, or that its silence came to."""

    evidence: Evidence


class Obligation(Aggregate):
    """One obligation."""

    TOPIC = "obligation"

    class Created(Aggregate.Created):
        """It was made."""

        TOPIC = "obligation.pending.v1"
        position: int
        recorded_us: int
        tenant: str
        downstream: str
        ledger_position: int
        person: bytes
        """16 bytes; empty for a catalogue obligation."""
        purposes: tuple[str, ...]
        event_type: str
        revoked_us: int
        due_us: int

    class Sent(StepEvent):
        """The carrier has it durably."""

        TOPIC = "obligation.sent.v1"
        dispatch: int

        def apply(self, aggregate: "Obligation") -> None:
            """Fold."""
            aggregate.step = Step.SENT

    class Received(AnswerEvent):
        """The downstream has it."""

        TOPIC = "obligation.received.v1"

        def apply(self, aggregate: "Obligation") -> None:
            """Fold."""
            aggregate.answered(Step.RECEIVED, self.evidence)

    class Enforced(AnswerEvent):
        """The downstream obeys."""

        TOPIC = "obligation.enforced.v1"

        def apply(self, aggregate: "Obligation") -> None:
            """Fold."""
            aggregate.answered(Step.ENFORCED, self.evidence)

    class Failed(AnswerEvent):
        """The downstream could not."""

        TOPIC = "obligation.failed.v1"

        def apply(self, aggregate: "Obligation") -> None:
            """Fold."""
            aggregate.answered(Step.FAILED, self.evidence)

    class Dead(AnswerEvent):
        """Nobody took it, and trying has ended. Of the evidence only the reason is set, and our own time."""

        TOPIC = "obligation.dead.v1"

        def apply(self, aggregate: "Obligation") -> None:
            """Fold."""
            aggregate.answered(Step.DEAD, self.evidence)

    @event(Created)
    def __init__(
        self,
        position: int,
        recorded_us: int,
        tenant: str,
        downstream: str,
        ledger_position: int,
        person: bytes,
        purposes: tuple[str, ...],
        event_type: str,
        revoked_us: int,
        due_us: int,
    ) -> None:
        self.tenant = tenant
        self.downstream = downstream
        self.ledger_position = ledger_position
        self.person = person
        self.purposes = purposes
        self.event_type = event_type
        self.revoked_us = revoked_us
        self.due_us = due_us
        self.step = Step.PENDING
        self.evidence: Evidence | None = None

    def answered(self, step: Step, evidence: Evidence) -> None:
        """Fold what a downstream told."""
        self.step = step
        self.evidence = evidence

    def mark_sent(self, dispatch: int, at: Moment) -> bool:
        """Record that the carrier has it, as number `dispatch`. False when it is further already."""
        if not advances(self.step, Step.SENT):
            return False
        self._emit(self.Sent, at, dispatch=dispatch)
        return True

    def acknowledge(self, outcome: Step, evidence: Evidence, at: Moment) -> bool:
        """Record what the downstream told. False when it says nothing new."""
        if not advances(self.step, outcome):
            return False
        kinds = {Step.RECEIVED: self.Received, Step.ENFORCED: self.Enforced, Step.FAILED: self.Failed}
        self._emit(kinds[outcome], at, evidence=replace(evidence, received_us=at.recorded_us))
        return True

    def bury(self, reason: str, at: Moment) -> bool:
        """Record that trying has ended, and why, as a token. False when it is further already."""
        if not advances(self.step, Step.DEAD):
            return False
        self._emit(self.Dead, at, evidence=Evidence(failure_reason=reason, received_us=at.recorded_us))
        return True

    def _emit(self, kind: type[StepEvent], at: Moment, **fields: object) -> None:
        position, recorded_us = at.take()
        self.trigger_event(
            kind,
            timestamp=at.timestamp,
            position=position,
            recorded_us=recorded_us,
            downstream=self.downstream,
            ledger_position=self.ledger_position,
            **fields,
        )
