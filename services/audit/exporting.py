"""ExportLog: a log, or a part of it, with all that its offline verification needs. Leaves of others become hashes.

The header fixes what is exported before the first entry is sent, so that a log that grows meanwhile changes nothing.
Who asks up to a position gets the newest witnessed checkpoint that covers it, if there is one: that is the one others
have seen. Who asks for everything gets the newest checkpoint, which witnesses may have yet to see.
"""

from collections.abc import AsyncIterator, Iterator, Sequence

from consentledger.errors import LedgerError, Reason
from consentledger.store.ledger import Entry
from consentledger.tlog.hashing import leaf_hash
from consentledger.v1 import audit_service_pb2 as au
from services.audit.logs import Logs

CHUNK = 1_000
LEAVES = 4_000
"""A chunk of leaves and nothing else."""
CHUNK_BYTES = 4 << 20


async def export(logs: Logs, r: au.ExportLogRequest) -> AsyncIterator[au.ExportLogResponse]:
    """ExportLog."""
    log = logs.named(r.log)
    signed = await log.checkpoint()
    first, last = r.from_position or 1, r.to_position or signed.size
    if not (first <= last <= signed.size or (first, last) == (1, 0)):
        raise LedgerError(Reason.POSITION_UNKNOWN)
    head, note, cosignatures = signed.size, signed.note, await logs.witnesses.of(log, signed.size)
    if r.to_position and (witnessed := await logs.witnesses.newest(log)) and last <= witnessed.size <= head:
        head, note, cosignatures = witnessed.size, witnessed.note, witnessed.lines
    beyond = last < head
    yield au.ExportLogResponse(
        header=au.ExportHeader(
            log=log.service,
            vkeys=log.notary.vkeys,
            checkpoint=note,
            cosignatures=cosignatures,
            first=first,
            last=last,
            edge=(await log.prover.edge(first - 1)).hashes,
            consistency=await log.prover.consistency(last, head) if beyond and last else (),
            tenants=sorted(set(r.tenants)),
        )
    )
    whole, after = frozenset(r.tenants), first - 1
    while after < last:
        if whole or r.ciphertexts:
            upto = min(after + CHUNK, last)
            rows = [_row(e, whole, r.ciphertexts) for e in await log.store.entries(after, CHUNK, upto=upto)]
            chunks = [_chunk(some) for some in _pieces(rows)]
        else:  # at a third of the cost
            upto = min(after + LEAVES, last)
            chunks = _plain([leaf for _, leaf in await log.store.leaves(after, LEAVES, upto=upto, tenant=None)])
        if sum(len(chunk.entries) for chunk in chunks) != upto - after:
            raise LedgerError(Reason.INTERNAL)
        for chunk in chunks:
            yield chunk
        after = upto


_Row = tuple[bytes | None, bytes | None]
"""(leaf, ciphertext); of a redacted one (None, leaf hash)."""


def _row(entry: Entry, whole: frozenset[str], ciphertexts: bool) -> _Row:
    """An event about the log itself has no tenant, and is nobody's to hide."""
    if whole and entry.tenant and entry.tenant not in whole:
        return None, leaf_hash(entry.leaf)
    return entry.leaf, entry.ciphertext if ciphertexts else None


def _pieces(rows: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
    """The rows in pieces of at most `CHUNK_BYTES` each; nearly always one."""
    sizes = [len(leaf or b"") + len(more or b"") for leaf, more in rows]
    start = size = 0
    if sum(sizes) > CHUNK_BYTES:
        for end, more in enumerate(sizes):
            if size and size + more > CHUNK_BYTES:
                yield rows[start:end]
                start, size = end, 0
            size += more
    yield rows[start:]


def _chunk(rows: Sequence[_Row]) -> au.ExportLogResponse:
    chunk = au.ExportLogResponse()
    for leaf, more in rows:
        entry = chunk.entries.add()
        if leaf is not None:
            entry.leaf = leaf
        if more is not None and leaf is not None:
            entry.ciphertext = more
        elif more is not None:
            entry.leaf_hash = more
    return chunk


def _plain(leaves: Sequence[bytes]) -> list[au.ExportLogResponse]:
    """As `_chunk` for leaves and nothing else."""
    if sum(map(len, leaves)) > CHUNK_BYTES:
        return [_chunk(some) for some in _pieces([(leaf, None) for leaf in leaves])]
    chunk = au.ExportLogResponse()
    add = chunk.entries.add
    for leaf in leaves:
        add().leaf = leaf
    return [chunk]
