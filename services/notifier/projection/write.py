"""What is written in the events' own transaction: downstreams, obligations, and the messages that follow.

- Within a transaction: downstreams first, then what waited for one that is paused no longer, then what is new. So the
  messages about one person keep the order of the ledger.
- `fresh` holds the messages that the last transaction numbered for new obligations, and `recipients_changed` whether
  downstreams changed in it. Both hold only once that transaction has committed.
"""

from collections.abc import Sequence
from typing import Any

from consentledger.store.ledger import Row, Transaction
from services.notifier.codec import step_of
from services.notifier.domain.downstream import DownstreamDef, Downstreams
from services.notifier.domain.obligation import AnswerEvent, Obligation, StepEvent
from services.notifier.memory import Aggregates
from services.notifier.projection.ended import NOT_ENDED
from services.notifier.views import Dispatch
from services.notifier.wire import evidence_to, webhook_to

LAST_DISPATCH = "SELECT coalesce(max(seq), 0) FROM dispatch"
WRITE_DOWNSTREAM = (
    "INSERT INTO downstream (tenant, id, kind, purposes, namespace, display_name, paused, enforce_within_s, version, "
    "webhook) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (tenant, id) DO UPDATE SET "
    "kind = excluded.kind, purposes = excluded.purposes, namespace = excluded.namespace, "
    "display_name = excluded.display_name, paused = excluded.paused, enforce_within_s = excluded.enforce_within_s, "
    "version = excluded.version, webhook = excluded.webhook"
)
_NUMBER_WAITING = (
    "INSERT INTO dispatch (seq, obligation) SELECT $1 + row_number() OVER (ORDER BY made), obligation FROM obligation "
    f"WHERE tenant = $2 AND downstream = $3 AND dispatch IS NULL AND state < 4 AND {NOT_ENDED}"
)
POINT_TO_NEWEST = (
    "UPDATE obligation SET dispatch = d.seq FROM dispatch d WHERE d.obligation = obligation.obligation AND d.seq > $1"
)
WRITE_OBLIGATION = (
    "INSERT INTO obligation (obligation, made, tenant, downstream, state, ledger_position, person, purposes, "
    "event_type, revoked_us, due_us, evidence, dispatch) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, NULL, $12)"
)
_DISPATCH = "INSERT INTO dispatch (seq, obligation) VALUES ($1, $2)"
_STEP = "UPDATE obligation SET state = $2 WHERE obligation = $1"
_ANSWER = "UPDATE obligation SET state = $2, evidence = $3 WHERE obligation = $1"
_INTAKE = "UPDATE progress SET intake = $1 WHERE intake < $1"
_SENT = "UPDATE progress SET sent = $1 WHERE sent < $1"


class NotifierProjection:
    """The projection as the committer drives it."""

    def __init__(self, memory: Aggregates) -> None:
        self._memory = memory
        self.fresh: list[Dispatch] = []
        self.recipients_changed = False

    async def write(self, tx: Transaction, events: Sequence[tuple[str, Any]]) -> None:
        """Bring the tables up to date with these (tenant, event)."""
        self.fresh = []
        self.recipients_changed = False
        made = [event for _, event in events if isinstance(event, Obligation.Created)]
        changed = [(t, e.downstream) for t, e in events if isinstance(e, Downstreams.Created | Downstreams.Changed)]
        last = 0
        if made or changed:
            [(last,)] = await tx.fetch(LAST_DISPATCH)
        if changed:
            self.recipients_changed = True
            last = await self._downstreams(tx, changed, last)
        if made:
            await self._made(tx, made, last)
        await write_steps(tx, [event for _, event in events if isinstance(event, StepEvent)])

    async def _downstreams(self, tx: Transaction, changed: Sequence[tuple[str, DownstreamDef]], last: int) -> int:
        await tx.executemany(WRITE_DOWNSTREAM, [downstream_row(tenant, downstream) for tenant, downstream in changed])
        newest = {(tenant, downstream.id): downstream for tenant, downstream in changed}
        for (tenant, id), downstream in newest.items():
            if downstream.paused or downstream.version == 1:
                continue
            await tx.executemany(_NUMBER_WAITING, [(last, tenant, id)])
            await tx.executemany(POINT_TO_NEWEST, [(last,)])
            [(last,)] = await tx.fetch(LAST_DISPATCH)
        return last

    async def _made(self, tx: Transaction, made: Sequence[Any], last: int) -> None:
        rows: list[Row] = []
        for event in made:
            downstream = self._downstream(event.tenant, event.downstream)
            sequence = None if downstream.paused else last + len(self.fresh) + 1
            rows.append(obligation_row(event, sequence))
            if sequence is not None:
                self.fresh.append(_dispatch(event, sequence, downstream.identifier_namespace))
        await tx.executemany(WRITE_OBLIGATION, rows)
        await tx.executemany(_DISPATCH, [(d.sequence, d.obligation) for d in self.fresh])
        await tx.executemany(_INTAKE, [(max(event.ledger_position for event in made),)])

    def _downstream(self, tenant: str, id: str) -> DownstreamDef:
        known = self._memory.downstreams(tenant)
        if known is None:
            raise LookupError("an obligation was made for a tenant whose downstreams are not in memory")
        return known.members[id]


async def write_steps(tx: Transaction, steps: Sequence[Any]) -> None:
    """Bring obligations up to date with steps after the first, in the order of the log."""
    sent: list[Row] = []
    answered: list[Row] = []
    for event in steps:
        id, state = event.originator_id.bytes, int(step_of(event))
        if isinstance(event, AnswerEvent):
            answered.append((id, state, evidence_to(event.evidence).SerializeToString(deterministic=True)))
        else:
            sent.append((id, state))
    # An obligation may be sent and answered in one transaction: what was answered comes later.
    if sent:
        await tx.executemany(_STEP, sent)
        newest = max(event.dispatch for event in steps if isinstance(event, Obligation.Sent))
        await tx.executemany(_SENT, [(newest,)])
    if answered:
        await tx.executemany(_ANSWER, answered)


def obligation_row(event: Any, dispatch: int | None) -> Row:
    """A new obligation; `dispatch` is its message's sequence, None while it waits."""
    return (
        event.originator_id.bytes, event.position, event.tenant, event.downstream, int(step_of(event)),
        event.ledger_position, event.person, "\n".join(event.purposes), event.event_type, event.revoked_us,
        event.due_us, dispatch,
    )  # fmt: skip


def _dispatch(event: Any, sequence: int, namespace: str) -> Dispatch:
    return Dispatch(
        sequence, event.originator_id.bytes, event.tenant, event.downstream, event.ledger_position, event.person,
        event.purposes, event.event_type, event.revoked_us, event.due_us, namespace,
    )  # fmt: skip


def downstream_row(tenant: str, downstream: DownstreamDef) -> Row:
    """A downstream as it stands."""
    webhook = downstream.webhook
    return (
        tenant, downstream.id, downstream.kind, "\n".join(downstream.purposes), downstream.identifier_namespace,
        downstream.display_name, int(downstream.paused), downstream.enforce_within_s, downstream.version,
        None if webhook is None else webhook_to(webhook).SerializeToString(deterministic=True),
    )  # fmt: skip
