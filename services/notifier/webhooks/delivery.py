"""One obligation on its way to a webhook: whether it is its turn, the attempt, and what is recorded of it.

- What has arrived, is dead, or waits for its time is not sent; a message that was delivered twice changes nothing.
- A person's obligations arrive in the ledger's order: a later one waits until each earlier one has arrived or is dead.
  The table of obligations says so, so that it holds over all replicas.
- What is recorded comes before the message is done with. A crash in between repeats the attempt, under the same id; so
  a receiver may get an obligation again, also behind a later one, and MUST let the newest `ledger_position` win.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from consentledger.client.obligation import Obligation
from consentledger.errors import LedgerError, Reason
from consentledger.journal import Journal
from consentledger.store.committer import Committer
from consentledger.store.ledger import Store
from consentledger.webhook import signing
from consentledger.webhook.schedule import End, next_step
from consentledger.webhook.sender import MOST_BODY, Failure, Outcome, Sender
from services.notifier.commands import Acknowledge
from services.notifier.domain.downstream import WebhookDef
from services.notifier.domain.obligation import Step
from services.notifier.memory import Aggregates
from services.notifier.projection import attempts
from services.notifier.projection.attempts import Standing
from services.notifier.webhooks.commands import Bury
from services.notifier.webhooks.keys import WebhookKeys
from services.notifier.webhooks.payload import TooLarge, body_of
from services.notifier.webhooks.reply import told

EXHAUSTED, GONE, TOO_LARGE = "exhausted", "gone", "too_large"
"""Why trying ends, as the log has it."""
_FOR_GOOD = (Reason.OBLIGATION_UNKNOWN, Reason.OBLIGATION_CLOSED)
_NOT_ARRIVED = (Step.PENDING, Step.SENT)
_REFUSED = (Failure.URL_REFUSED, Failure.ADDRESS_REFUSED)


@dataclass(slots=True)
class Endpoint:
    """A downstream with a webhook, and what this process has learned of it."""

    tenant: str
    downstream: str
    webhook: WebhookDef
    hold_us: int = 0
    """Nothing is sent before this: it said that it is overloaded."""
    refused: bool = False
    """Whether the last attempt was not allowed to go where the URL leads."""


class Deliveries:
    """Made with everything it needs. `clock` tells microseconds since the epoch, `jitter` numbers from 0 to below 1;
    `waiting` is called whenever something begins to wait for its time."""

    def __init__(
        self,
        store: Store,
        memory: Aggregates,
        committer: Committer,
        sender: Sender,
        keys: WebhookKeys,
        clock: Callable[[], int],
        jitter: Callable[[], float],
        waiting: Callable[[], None],
        journal: Journal,
    ) -> None:
        self._store = store
        self._memory = memory
        self._committer = committer
        self._sender = sender
        self._keys = keys
        self._clock = clock
        self._jitter = jitter
        self._waiting = waiting
        self._journal = journal

    async def bring(self, endpoint: Endpoint, obligation: Obligation) -> bool:
        """Take it as far as it comes now. False when an earlier one of the same person is under way: try again soon.

        Raises StoreUnavailable, and LedgerError while shutting down; then nothing is recorded.
        """
        id = UUID(obligation.id).bytes
        standing = await attempts.standing(self._store, id)
        if standing is None:
            return True
        if standing.step not in _NOT_ARRIVED:
            await self._forget(id, standing)
            return True
        now_us = self._clock()
        if standing.due_us > now_us:
            return True
        if standing.behind and standing.behind_until_us <= now_us:
            return False
        if (until_us := max(standing.behind_until_us, endpoint.hold_us)) > now_us:
            await self._wait(id, standing.attempts, until_us)
            return True
        await self._attempt(endpoint, obligation, id, standing, now_us)
        return True

    async def _attempt(
        self, endpoint: Endpoint, obligation: Obligation, id: bytes, standing: Standing, now_us: int
    ) -> None:
        try:
            body = body_of(obligation, MOST_BODY)
        except TooLarge:
            await self._bury(endpoint, obligation, id, standing, TOO_LARGE)
            return
        signers = self._keys.signers(endpoint.tenant, endpoint.downstream, endpoint.webhook.secrets(now_us))
        headers = signing.headers(signers, obligation.id, now_us // 1_000_000, body)
        outcome = await self._sender.post(endpoint.webhook.url, headers, body)
        endpoint.refused = outcome.failure in _REFUSED
        count = standing.attempts + 1
        step = next_step(count, outcome.status, outcome.retry_after, self._clock(), self._jitter())
        if step is End.DONE:
            await self._arrived(endpoint, id, standing, outcome)
            return
        self._journal.info(
            "notifier.webhook_failed", reason=(outcome.failure or "status"), code=outcome.status, count=count
        )
        if isinstance(step, End):
            await self._bury(endpoint, obligation, id, standing, GONE if step is End.DISABLED else EXHAUSTED)
            return
        endpoint.hold_us = max(endpoint.hold_us, step.hold_us or 0)
        await self._wait(id, count, step.at_us)

    async def _arrived(self, endpoint: Endpoint, id: bytes, standing: Standing, outcome: Outcome) -> None:
        step, evidence = told(outcome.body)
        command = Acknowledge(self._memory, endpoint.tenant, endpoint.downstream, id, step, evidence, None)
        try:
            await self._committer.submit(command)
        except LedgerError as refusal:
            if refusal.reason not in _FOR_GOOD:
                raise
            self._journal.warning("notifier.ack_refused", reason=refusal.reason.value)
        await self._forget(id, standing)

    async def _bury(
        self, endpoint: Endpoint, obligation: Obligation, id: bytes, standing: Standing, reason: str
    ) -> None:
        command = Bury(self._memory, endpoint.tenant, endpoint.downstream, id, reason, gone=reason == GONE)
        # Before the commit: when it disables the downstream, our courier is stopped, perhaps before we go on.
        self._journal.error("notifier.obligation_dead", reason=reason, position=obligation.ledger_position)
        await self._committer.submit(command)
        await self._forget(id, standing)

    async def _wait(self, id: bytes, count: int, until_us: int) -> None:
        await attempts.wait(self._store, id, count, until_us)
        self._waiting()

    async def _forget(self, id: bytes, standing: Standing) -> None:
        if standing.kept:
            await attempts.forget(self._store, id)
