"""A log that goes on under a new name, openly: what is left when events that were signed cannot be brought back.

One event says so, the first under the new name: what was signed under the old one, and how much of it is kept. The old
name stays in the log's list, so receipts and checkpoints of what was kept still verify, and those of what was lost
prove that it was.

The order is: the guard takes the new name, with nothing signed; COMMIT of event, epoch and name; the guard moves to
the new size, and closes the old name. A crash before COMMIT leaves the old log and a name in the guard that nobody asks
for; one after it leaves the new log, which starts, and closes the old name then. Doing it again finds out which.
"""

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from consentledger.crypto.provider import KeyProvider
from consentledger.store.commands import Draft, seal
from consentledger.store.guard import CLOSED, BehindGuard, Guard, Guarded
from consentledger.store.ledger import Head, Store, StoreUnavailable, Transaction
from consentledger.store.logtree import LogTree
from consentledger.store.prover import Prover
from consentledger.store.signedlog import add_name, names, origin_of
from consentledger.tlog.hashing import EMPTY_ROOT, leaf_hash
from consentledger.v1 import events_pb2 as ev

STARTED = "log.epoch_started.v1"
NO_TENANT = ""
"""The tenant of an event that is about the log itself."""
LONGEST_REASON = 500
_EPOCH = "UPDATE log_head SET epoch = $1"


class NotBehind(StoreUnavailable):
    """The log is what its guard says: there is nothing to continue openly. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What was done."""

    old_origin: str
    origin: str
    signed: int
    """How many events were signed under the old name; 0 if the guard does not know it."""
    kept: int
    """How many of them are there."""


async def require_behind(store: Store, provider: KeyProvider, guard: Guard) -> None:
    """Raise what `begin_epoch` would raise; change nothing."""
    async with store.write() as tx:
        await _old(tx, store, provider, guard)


async def begin_epoch(
    store: Store, service: str, provider: KeyProvider, guard: Guard, reason: str, clock: Callable[[], int]
) -> Begun:
    """Continue the log of `store` under a new name. Nobody else may have it open.

    Raises NotBehind; NotAsSigned when the rows are not what the log's own head says, which a new name would not mend;
    StoreUnavailable when store or guard cannot be reached. After OutcomeUnknown, do it again.
    """
    async with store.write() as tx:
        origins, tree, signed = await _old(tx, store, provider, guard)
        epoch = secrets.randbelow(2**63 - 1) + 1
        begun = Begun(origins[-1], origin_of(_place(origins[-1]), service, epoch), signed.size, tree.size)
        await guard.advance(begun.origin, Guarded(0, EMPTY_ROOT))
        entry = seal(draft(begun, signed.root, reason, uuid.uuid4().bytes, tx.head, clock()))
        grown = tree.grow([leaf_hash(entry.leaf)])
        head = replace(
            tx.head,
            position=entry.position, recorded_us=entry.recorded_us, root=grown.root, edge=grown.edge.pack(),
        )  # fmt: skip
        await tx.append([entry], (), head, grown.hashes, grown.tiles)
        await tx.executemany(_EPOCH, [(epoch,)])
        await add_name(tx, provider, len(origins) + 1, begun.origin)
    await guard.advance(begun.origin, Guarded(head.position, head.root))
    await guard.advance(begun.old_origin, CLOSED)
    return begun


async def _old(
    tx: Transaction, store: Store, provider: KeyProvider, guard: Guard
) -> tuple[list[str], LogTree, Guarded]:
    """The names so far, the tree that is there, and what was signed."""
    origins = await names(tx, provider)
    if not origins:
        raise NotBehind("nothing of this log was ever signed")
    tree = LogTree()
    await tree.load(tx.fetch, store.dialect, tx.head)
    kept = await guard.read(origins[-1])
    if kept == CLOSED:
        raise BehindGuard("this log goes on under a new name already: the database is from before that")
    there = kept is not None and kept.size <= tree.size
    if there and kept is not None and (await Prover(store, tree).edge(kept.size)).root() == kept.root:
        raise NotBehind("the log is what its guard says")
    return origins, tree, kept or Guarded(0, EMPTY_ROOT)


def _place(origin: str) -> str:
    """Where the log is, of its name."""
    return origin.rsplit("/", 2)[0]


def draft(begun: Begun, signed_root: bytes, reason: str, stream: bytes, head: Head, now_us: int) -> Draft:
    """The event, behind `head`."""
    started = ev.LogEpochStarted(
        old_origin=begun.old_origin,
        signed_size=begun.signed,
        signed_root=signed_root,
        kept_size=begun.kept,
        reason=reason,
    )
    return Draft(
        tenant=NO_TENANT,
        stream=stream,
        version=1,
        position=head.position + 1,
        recorded_us=max(now_us, head.recorded_us + 1),
        occurred_us=None,
        type=STARTED,
        header=ev.EventHeader(log_epoch_started=started),
    )
