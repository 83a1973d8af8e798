"""What a downstream must enforce, and what it can say of it. Pure.

- An obligation MUST be enforced idempotently, and for each person the newest `ledger_position` wins.
- What a downstream says holds nothing personal.
"""

from dataclasses import dataclass, field
from enum import Enum

from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as ns

ALL = "*"


@dataclass(frozen=True, slots=True)
class Obligation:
    """One revocation to enforce."""

    id: str
    tenant: str
    downstream: str
    ledger_position: int
    """Orders the revocations of one person."""
    purposes: tuple[str, ...]
    """Those to stop; `("*",)` for all."""
    namespace: str
    ids: tuple[str, ...] = field(repr=False)
    """The person's identifiers in `namespace`; none if the person has none there. Personal: do not log."""
    catalogue: bool
    """Whether it concerns everybody: check each person again before use."""
    event_type: str
    revoked_us: int
    due_us: int
    """When it must be enforced, microseconds since the epoch."""

    @classmethod
    def read(cls, payload: bytes) -> "Obligation":
        """From a message of ENFORCE. Raises protobuf's DecodeError."""
        message = ns.ObligationMessage.FromString(payload)
        return cls(
            message.obligation,
            message.tenant,
            message.downstream,
            message.ledger_position,
            tuple(message.purposes),
            message.namespace,
            tuple(message.ids),
            message.catalogue,
            message.event_type,
            message.revoked_at.ToMicroseconds(),
            message.due_at.ToMicroseconds(),
        )

    def covers(self, purpose: str) -> bool:
        """Whether this purpose must stop."""
        return ALL in self.purposes or purpose in self.purposes


class Told(Enum):
    """What can be said of an obligation."""

    RECEIVED = ev.OBLIGATION_STATE_RECEIVED
    ENFORCED = ev.OBLIGATION_STATE_ENFORCED
    FAILED = ev.OBLIGATION_STATE_FAILED


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an obligation; made by `enforced` or `failed`."""

    told: Told
    method: str = ""
    records_affected: int = 0
    failure_reason: str = ""
    enforced_us: int | None = None

    def message(self, obligation: str) -> bytes:
        """The body to publish."""
        evidence = ev.Evidence(
            method=self.method, records_affected=self.records_affected, failure_reason=self.failure_reason
        )
        if self.enforced_us is not None:
            evidence.enforced_at.FromMicroseconds(self.enforced_us)
        said = ns.Acknowledgement(obligation=obligation, outcome=self.told.value, evidence=evidence)
        return said.SerializeToString()


RECEIVED = Outcome(Told.RECEIVED)
"""It is here; nothing was enforced yet."""


def enforced(method: str, records_affected: int = 0, *, at_us: int | None = None) -> Outcome:
    """It is obeyed from here on. `method` is a token: "suppressed", "deleted", "stopped". `at_us` None means now."""
    return Outcome(Told.ENFORCED, method, records_affected, enforced_us=at_us)


def failed(reason: str) -> Outcome:
    """It cannot be obeyed, and trying again would not help; `reason` is a token. To try again, raise instead."""
    return Outcome(Told.FAILED, failure_reason=reason)
