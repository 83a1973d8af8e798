"""The tables made anew from the log: the same answers, after a loss or a change of what is kept in them.

- `dispatch`, `progress` and `ended` stay: they number what the carrier was given, which the log does not. What is open
  and has no number in it is given one, unless it is about somebody who was erased.
- An event of no tenant is about the log itself.
- One transaction, which holds the log head: nothing is written meanwhile, and a crash leaves everything as it was.
"""

from consentledger.store.ledger import Entry, Store, Transaction
from consentledger.store.schema import ENTRY
from services.notifier import codec
from services.notifier.domain.downstream import Downstreams
from services.notifier.domain.obligation import Obligation, StepEvent
from services.notifier.projection.ended import NOT_ENDED
from services.notifier.projection.write import (
    LAST_DISPATCH,
    POINT_TO_NEWEST,
    WRITE_DOWNSTREAM,
    WRITE_OBLIGATION,
    downstream_row,
    obligation_row,
    write_steps,
)

_PAGE = 1_000
_ENTRIES = f"SELECT {ENTRY} FROM event WHERE position > $1 ORDER BY position LIMIT $2"
_POINT = (
    "UPDATE obligation SET dispatch = d.newest FROM (SELECT obligation, max(seq) AS newest FROM dispatch "
    "GROUP BY obligation) d WHERE d.obligation = obligation.obligation"
)
_NUMBER = (
    "INSERT INTO dispatch (seq, obligation) SELECT $1 + row_number() OVER (ORDER BY made), obligation FROM obligation "
    "WHERE dispatch IS NULL AND state < 4 AND EXISTS (SELECT 1 FROM downstream n WHERE n.tenant = obligation.tenant "
    f"AND n.id = obligation.downstream AND n.paused = 0) AND {NOT_ENDED}"
)


async def rebuild(store: Store) -> int:
    """Make the tables anew; how many entries were read. No service may be running on the store."""
    async with store.write() as tx:
        return await rebuild_within(tx)


async def rebuild_within(tx: Transaction) -> int:
    """The same in a transaction that may have added entries."""
    read = 0
    for table in ("obligation", "downstream"):
        await tx.executemany(f"DELETE FROM {table}", [()])
    while entries := [Entry(*row) for row in await tx.fetch(_ENTRIES, read, _PAGE)]:
        events = [(entry.tenant, codec.load(entry)) for entry in entries if entry.tenant]
        changed = [(t, e.downstream) for t, e in events if isinstance(e, Downstreams.Created | Downstreams.Changed)]
        made = [event for _, event in events if isinstance(event, Obligation.Created)]
        await tx.executemany(WRITE_DOWNSTREAM, [downstream_row(t, downstream) for t, downstream in changed])
        await tx.executemany(WRITE_OBLIGATION, [obligation_row(event, None) for event in made])
        await write_steps(tx, [event for _, event in events if isinstance(event, StepEvent)])
        read = entries[-1].position
    await tx.executemany(_POINT, [()])
    [(last,)] = await tx.fetch(LAST_DISPATCH)
    await tx.executemany(_NUMBER, [(last,)])
    await tx.executemany(POINT_TO_NEWEST, [(last,)])
    return read
