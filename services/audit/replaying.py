"""ReplayEvents: one tenant's leaves, verbatim, in chunks read one at a time: memory does not grow with the log."""

from collections.abc import AsyncIterator, Iterator, Sequence

from consentledger.store.instant import first_since
from consentledger.v1 import audit_service_pb2 as au
from services.audit.logs import FIRST, Logs

CHUNK = 1_000
CHUNK_BYTES = 4 << 20
"""A gRPC message holds 16 MiB, and a leaf up to 64 KiB."""


async def replay(logs: Logs, r: au.ReplayEventsRequest) -> AsyncIterator[au.ReplayEventsResponse]:
    """ReplayEvents."""
    log = logs.named(r.log)
    if logs.persons is not None and log.service == FIRST:
        await logs.persons.require(r.tenant)
    head = (await log.store.head()).position
    upto = min(r.to_position or head, head)
    after = max(0, r.from_position - 1)
    if r.HasField("from_time"):
        after = max(after, await first_since(log.store, r.from_time.ToMicroseconds()) - 1)
    while after < upto:
        rows = await log.store.leaves(after, CHUNK, upto=upto, tenant=r.tenant, types=list(r.types))
        if not rows:
            return
        for some in bounded(rows):
            positions, leaves = zip(*some, strict=True)
            yield au.ReplayEventsResponse(positions=positions, leaves=leaves, head_position=head)
        after = rows[-1][0]


def bounded(rows: Sequence[tuple[int, bytes]]) -> Iterator[Sequence[tuple[int, bytes]]]:
    """The rows in pieces of at most `CHUNK_BYTES` of leaves each; nearly always one piece."""
    if sum(len(leaf) for _, leaf in rows) <= CHUNK_BYTES:
        yield rows
        return
    piece, size = list[tuple[int, bytes]](), 0
    for row in rows:
        if piece and size + len(row[1]) > CHUNK_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(row)
        size += len(row[1])
    yield piece
