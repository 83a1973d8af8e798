"""Sending again what the carrier lost, and how far each part has come. No event is written here: nothing new happened.

- What is about somebody erased since is not sent again: nobody could name them.
- A message is given a new number, never its old one again; the obligation then points to the newest.
- Numbers are given inside a write transaction, which holds the log head: alone, over all replicas.
"""

from dataclasses import dataclass

from consentledger.store.ledger import Store
from services.notifier.projection.ended import NOT_ENDED
from services.notifier.projection.write import LAST_DISPATCH, POINT_TO_NEWEST

_OPEN_BELOW = f"state < 4 AND dispatch < $1 AND {NOT_ENDED}"
_HOLD = (
    f"UPDATE obligation SET dispatch = NULL WHERE {_OPEN_BELOW} AND EXISTS (SELECT 1 FROM downstream n "
    "WHERE n.tenant = obligation.tenant AND n.id = obligation.downstream AND n.paused = 1)"
)
_NUMBER_AGAIN = (
    "INSERT INTO dispatch (seq, obligation) SELECT $2 + row_number() OVER (ORDER BY ledger_position, made), obligation "
    f"FROM obligation WHERE {_OPEN_BELOW}"
)
_MOVE = (
    "UPDATE progress SET intake = CASE WHEN intake < $1 THEN $1 ELSE intake END, "
    "sent = CASE WHEN sent < $2 THEN $2 ELSE sent END"
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far each part has come."""

    intake: int = 0
    """Position in the consent service's log."""
    sent: int = 0
    """Sequence in ENFORCE up to which SENT is recorded."""


async def progress(store: Store) -> Progress:
    """What is recorded; it may lag behind, never run ahead."""
    [row] = await store.read("SELECT intake, sent FROM progress")
    return Progress(*row)


async def save_progress(store: Store, reached: Progress) -> None:
    """Record it; never backwards."""
    async with store.write() as tx:
        await tx.executemany(_MOVE, [(reached.intake, reached.sent)])


async def lower_intake(store: Store, position: int) -> None:
    """Take in again what follows `position`: it will not be what was there. No service may be running on the store."""
    async with store.write() as tx:
        await tx.executemany("UPDATE progress SET intake = $1 WHERE intake > $1", [(position,)])


async def last_dispatch(store: Store) -> int:
    """The newest message's sequence, 0 if there was none."""
    [(last,)] = await store.read(LAST_DISPATCH)
    return int(last)


async def redispatch(store: Store, below: int | None = None) -> tuple[int, int]:
    """Number anew every open obligation whose newest message is below a sequence; with None, every open one.

    Returns (the newest sequence before, the newest after). What belongs to a paused downstream waits instead.
    """
    async with store.write() as tx:
        [(last,)] = await tx.fetch(LAST_DISPATCH)
        bound = last + 1 if below is None else min(below, last + 1)
        await tx.executemany(_HOLD, [(bound,)])
        await tx.executemany(_NUMBER_AGAIN, [(bound, last)])
        await tx.executemany(POINT_TO_NEWEST, [(last,)])
        [(newest,)] = await tx.fetch(LAST_DISPATCH)
    return int(last), int(newest)


async def any_open_below(store: Store, below: int) -> bool:
    """Whether `redispatch` would have something to do."""
    rows = await store.read(f"SELECT 1 FROM obligation WHERE {_OPEN_BELOW} LIMIT 1", below)
    return bool(rows)
