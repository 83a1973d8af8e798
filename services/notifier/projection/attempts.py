"""Obligations on their way to webhooks: how often each was tried, and when it is tried again.

It follows from nothing in our log, as `dispatch` does not; a rebuild leaves it alone. What is due is given a new number
in ENFORCE, like everything that is sent again: so it is sent by whichever replica takes it, with the identifiers that
the person has then.
"""

from dataclasses import dataclass

from consentledger.store.ledger import Store
from services.notifier.domain.obligation import Step
from services.notifier.projection.ended import NOT_ENDED
from services.notifier.projection.write import LAST_DISPATCH, POINT_TO_NEWEST

_EARLIER = (
    "FROM obligation e LEFT JOIN attempt w ON w.obligation = e.obligation WHERE e.tenant = o.tenant "
    "AND e.downstream = o.downstream AND e.person = o.person AND e.ledger_position < o.ledger_position AND e.state < 3"
)
_STANDING = (
    "SELECT o.state, coalesce(a.attempts, -1), coalesce(a.due_us, 0), "
    f"(SELECT count(*) {_EARLIER}), (SELECT coalesce(max(w.due_us), 0) {_EARLIER}) "
    "FROM obligation o LEFT JOIN attempt a ON a.obligation = o.obligation WHERE o.obligation = $1"
)
_WAIT = (
    "INSERT INTO attempt (obligation, attempts, due_us) VALUES ($1, $2, $3) ON CONFLICT (obligation) DO UPDATE SET "
    "attempts = CASE WHEN attempt.attempts > excluded.attempts THEN attempt.attempts ELSE excluded.attempts END, "
    "due_us = excluded.due_us"
)
_FORGET = "DELETE FROM attempt WHERE obligation = $1"
_FORGET_ENDED = (
    "DELETE FROM attempt WHERE due_us <= $1 AND NOT EXISTS (SELECT 1 FROM obligation "
    f"WHERE obligation.obligation = attempt.obligation AND obligation.state < 3 AND {NOT_ENDED})"
)
_DUE = "SELECT a.obligation FROM attempt a WHERE a.due_us <= $1"
_PAUSED = (
    "SELECT 1 FROM downstream n WHERE n.tenant = obligation.tenant AND n.id = obligation.downstream AND n.paused = 1"
)
_HOLD = f"UPDATE obligation SET dispatch = NULL WHERE obligation IN ({_DUE}) AND EXISTS ({_PAUSED})"
_NUMBER = (
    "INSERT INTO dispatch (seq, obligation) SELECT $2 + row_number() OVER (ORDER BY ledger_position, made), obligation "
    f"FROM obligation WHERE obligation IN ({_DUE}) AND NOT EXISTS ({_PAUSED})"
)
_UNDER_WAY = "UPDATE attempt SET due_us = NULL WHERE due_us <= $1"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the delivery of one obligation stands."""

    step: Step
    attempts: int
    """How often it was tried."""
    kept: bool
    """Whether there is anything to `forget`."""
    due_us: int
    """When it is tried again; 0 if that is up to the message in hand."""
    behind: bool
    """Whether an earlier obligation of the same person has yet to arrive there."""
    behind_until_us: int
    """When that one is tried again; 0 if it is under way."""


async def standing(store: Store, obligation: bytes) -> Standing | None:
    """How it stands, or None if there is no such obligation."""
    rows = await store.read(_STANDING, obligation)
    if not rows:
        return None
    [(state, attempts, due, earlier, earlier_due)] = rows
    return Standing(Step(state), max(0, int(attempts)), attempts >= 0, int(due), bool(earlier), int(earlier_due))


async def wait(store: Store, obligation: bytes, attempts: int, due_us: int) -> None:
    """Keep that it was tried so often, and is to be tried again then."""
    async with store.write() as tx:
        await tx.executemany(_WAIT, [(obligation, attempts, due_us)])


async def forget(store: Store, obligation: bytes) -> None:
    """It is not tried again."""
    async with store.write() as tx:
        await tx.executemany(_FORGET, [(obligation,)])


async def next_due(store: Store) -> int | None:
    """When the next one is due, microseconds since the epoch; None if none is."""
    [(due,)] = await store.read("SELECT min(due_us) FROM attempt WHERE due_us IS NOT NULL")
    return None if due is None else int(due)


async def send_due(store: Store, now_us: int) -> int:
    """Number anew what is due, in the ledger's order; how many.

    What belongs to a paused downstream waits for that; what has arrived by now, or nobody could be named in, is left.
    """
    async with store.write() as tx:
        await tx.executemany(_FORGET_ENDED, [(now_us,)])
        [(last,)] = await tx.fetch(LAST_DISPATCH)
        await tx.executemany(_HOLD, [(now_us,)])
        await tx.executemany(_NUMBER, [(now_us, last)])
        await tx.executemany(POINT_TO_NEWEST, [(last,)])
        await tx.executemany(_UNDER_WAY, [(now_us,)])
        [(newest,)] = await tx.fetch(LAST_DISPATCH)
    return int(newest) - int(last)
