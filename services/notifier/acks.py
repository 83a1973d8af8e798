"""What downstreams answer on ACKS, `ack.<tenant>.<downstream>.<obligation>`, recorded with its evidence.

- Who speaks is said by the subject, which NATS lets only that downstream publish to. An answer about another's
  obligation is refused like one about none.
- What is refused is counted and done with: it would be refused for ever, and must hold up nobody. What fails for
  another reason comes again. Recording an answer twice changes nothing, so no position is kept.
"""

import asyncio
from collections import Counter

from google.protobuf.message import DecodeError

from consentledger.bus.message import Message
from consentledger.client.subjects import read_ack_subject
from consentledger.errors import LedgerError, Reason
from consentledger.journal import Journal
from consentledger.store.committer import Committer
from consentledger.v1 import notifier_service_pb2 as ns
from services.notifier import checks
from services.notifier.commands import Acknowledge
from services.notifier.memory import Aggregates
from services.notifier.wire import evidence_from

_FOR_GOOD = (
    Reason.INVALID_FIELD,
    Reason.MALFORMED_MESSAGE,
    Reason.OBLIGATION_UNKNOWN,
    Reason.OBLIGATION_CLOSED,
)


class Acks:
    """The handler of the consumer on ACKS."""

    def __init__(self, memory: Aggregates, committer: Committer, journal: Journal) -> None:
        self._memory = memory
        self._committer = committer
        self._journal = journal
        self.refused: Counter[str] = Counter()
        """How many answers were refused, by reason."""

    async def handle(self, messages: list[Message]) -> None:
        """Record them, together where they came together. Raises if any must come again."""
        outcomes = await asyncio.gather(*map(self._one, messages), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _one(self, message: Message) -> None:
        try:
            await self._committer.submit(self._command(message))
        except LedgerError as refusal:
            if refusal.reason not in _FOR_GOOD:
                raise
            self.refused[refusal.reason.value] += 1
            self._journal.warning("notifier.ack_refused", reason=refusal.reason.value, position=message.stream_sequence)

    def _command(self, message: Message) -> Acknowledge:
        speaks = read_ack_subject(message.subject)
        try:
            told = ns.Acknowledgement.FromString(message.payload)
        except DecodeError:
            raise LedgerError(Reason.MALFORMED_MESSAGE) from None
        if speaks is None:
            raise LedgerError(Reason.MALFORMED_MESSAGE)
        tenant, downstream, named = speaks
        obligation = checks.uuid(told.obligation, "obligation")
        if obligation != checks.uuid(named, "subject"):
            raise LedgerError(Reason.OBLIGATION_UNKNOWN)
        outcome = checks.outcome(told.outcome)
        checks.evidence(told.evidence, outcome)
        evidence = evidence_from(told.evidence)
        return Acknowledge(self._memory, tenant, downstream, obligation, outcome, evidence, None)
