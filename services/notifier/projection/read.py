"""What callers and the sender ask. Every read sees everything committed before it."""

from collections.abc import Sequence
from typing import Any

from consentledger.store.ledger import Row, Store
from consentledger.v1 import events_pb2 as ev
from services.notifier.domain.downstream import DownstreamDef
from services.notifier.domain.obligation import Step
from services.notifier.views import Dispatch, ObligationView
from services.notifier.wire import evidence_from, webhook_from

_DOWNSTREAM = "id, kind, purposes, namespace, display_name, paused, enforce_within_s, version, webhook"
_OBLIGATION = (
    "made, obligation, tenant, downstream, state, ledger_position, person, purposes, event_type, revoked_us, due_us, "
    "evidence"
)
_DISPATCHES = (
    "SELECT d.seq, o.obligation, o.tenant, o.downstream, o.ledger_position, o.person, o.purposes, o.event_type, "
    "o.revoked_us, o.due_us, n.namespace FROM dispatch d JOIN obligation o ON o.obligation = d.obligation "
    "JOIN downstream n ON n.tenant = o.tenant AND n.id = o.downstream WHERE d.seq > $1 ORDER BY d.seq LIMIT $2"
)
_UNMARKED = (
    "SELECT o.obligation, d.seq FROM dispatch d JOIN obligation o ON o.obligation = d.obligation "
    "WHERE d.seq > $1 AND d.seq <= $2 AND o.state = 1 AND o.dispatch = d.seq ORDER BY d.seq LIMIT $3"
)


async def downstream(store: Store, tenant: str, id: str) -> DownstreamDef | None:
    """One downstream."""
    rows = await store.read(f"SELECT {_DOWNSTREAM} FROM downstream WHERE tenant = $1 AND id = $2", tenant, id)
    return _downstream(rows[0]) if rows else None


async def downstreams(store: Store, tenant: str, after: str, limit: int) -> list[DownstreamDef]:
    """A tenant's downstreams behind an id, by id."""
    sql = f"SELECT {_DOWNSTREAM} FROM downstream WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3"
    return [_downstream(row) for row in await store.read(sql, tenant, after, limit)]


async def all_downstreams(store: Store) -> Sequence[tuple[str, str, int | None]]:
    """(tenant, id, the oldest message that still asks something of it, or None) of every downstream."""
    rows = await store.read(
        "SELECT n.tenant, n.id, (SELECT min(o.dispatch) FROM obligation o WHERE o.tenant = n.tenant "
        "AND o.downstream = n.id AND o.state < 4) FROM downstream n ORDER BY n.tenant, n.id"
    )
    return [(tenant, id, oldest) for tenant, id, oldest in rows]


async def webhooks(store: Store) -> list[tuple[str, DownstreamDef]]:
    """(tenant, downstream) of every downstream with a webhook."""
    rows = await store.read(f"SELECT tenant, {_DOWNSTREAM} FROM downstream WHERE webhook IS NOT NULL")
    return [(row[0], _downstream(row[1:])) for row in rows]


async def obligations(
    store: Store,
    tenant: str,
    after: int,
    limit: int,
    *,
    downstream: str = "",
    state: int = 0,
    ledger_position: int = 0,
) -> list[tuple[int, ObligationView]]:
    """(number, obligation) behind a number, in the order they were made, narrowed by what is given."""
    sql = f"SELECT {_OBLIGATION} FROM obligation WHERE tenant = $1 AND made > $2"
    args: list[Any] = [tenant, after, limit]
    for column, value in (("downstream", downstream), ("state", state), ("ledger_position", ledger_position)):
        if value:
            args.append(value)
            sql += f" AND {column} = ${len(args)}"
    rows = await store.read(f"{sql} ORDER BY made LIMIT $3", *args)
    return [(row[0], _obligation(row[1:])) for row in rows]


async def dispatches(store: Store, after: int, limit: int) -> list[Dispatch]:
    """The messages behind a sequence, in order."""
    rows = await store.read(_DISPATCHES, after, limit)
    return [_dispatch(row) for row in rows]


async def unmarked(store: Store, after: int, upto: int, limit: int) -> list[tuple[bytes, int]]:
    """(obligation, sequence) of messages in that range whose obligation is still PENDING and was not sent again."""
    return [(obligation, seq) for obligation, seq in await store.read(_UNMARKED, after, upto, limit)]


def _downstream(row: Row) -> DownstreamDef:
    id, kind, purposes, namespace, display_name, paused, within, version, sent = row
    webhook = webhook_from(ev.Webhook.FromString(sent)) if sent is not None else None
    split = tuple(purposes.split("\n"))
    return DownstreamDef(id, kind, split, namespace, display_name, bool(paused), within, version, webhook)


def _dispatch(row: Row) -> Dispatch:
    seq, obligation, tenant, downstream, position, person, purposes, event_type, revoked, due, namespace = row
    split = tuple(purposes.split("\n"))
    return Dispatch(seq, obligation, tenant, downstream, position, person, split, event_type, revoked, due, namespace)


def _obligation(row: Row) -> ObligationView:
    id, tenant, downstream, state, position, person, purposes, event_type, revoked, due, evidence = row
    told = evidence_from(ev.Evidence.FromString(evidence)) if evidence is not None else None
    split = tuple(purposes.split("\n"))
    return ObligationView(id, tenant, downstream, Step(state), position, person, split, event_type, revoked, due, told)
