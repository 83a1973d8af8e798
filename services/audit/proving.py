"""Checkpoints, proofs and receipts on request."""

from consentledger.errors import LedgerError, Reason
from consentledger.store.receipts import receipts
from consentledger.v1 import audit_service_pb2 as au
from services.audit.logs import Logs


async def checkpoint(logs: Logs, r: au.GetCheckpointRequest) -> au.GetCheckpointResponse:
    """GetCheckpoint."""
    log = logs.named(r.log)
    signed = await log.checkpoint()
    answer = au.GetCheckpointResponse(
        checkpoint=signed.note + await logs.witnesses.of(log, signed.size),
        size=signed.size,
        root=signed.root,
        vkeys=log.notary.vkeys,
    )
    if witnessed := await logs.witnesses.newest(log):
        answer.witnessed_checkpoint = witnessed.note + witnessed.lines
        answer.witnessed_size = witnessed.size
    return answer


async def inclusion(logs: Logs, r: au.GetInclusionProofRequest) -> au.GetInclusionProofResponse:
    """GetInclusionProof."""
    log = logs.named(r.log)
    signed = await log.checkpoint()
    size = r.size or signed.size
    if not 0 < r.position <= size <= signed.size:
        raise LedgerError(Reason.POSITION_UNKNOWN)
    return au.GetInclusionProofResponse(
        size=size,
        leaf_hash=await log.prover.leaf_hash(r.position - 1),
        hashes=await log.prover.inclusion(r.position - 1, size),
        checkpoint=signed.note if size == signed.size else b"",
    )


async def consistency(logs: Logs, r: au.GetConsistencyProofRequest) -> au.GetConsistencyProofResponse:
    """GetConsistencyProof."""
    log = logs.named(r.log)
    signed = await log.checkpoint()
    size = r.to_size or signed.size
    if not 0 < r.from_size <= size <= signed.size:
        raise LedgerError(Reason.POSITION_UNKNOWN)
    return au.GetConsistencyProofResponse(
        from_size=r.from_size,
        to_size=size,
        hashes=await log.prover.consistency(r.from_size, size),
        checkpoint=signed.note if size == signed.size else b"",
    )


async def receipt(logs: Logs, r: au.GetReceiptRequest) -> au.GetReceiptResponse:
    """GetReceipt."""
    log = logs.named(r.log)
    await log.checkpoint()
    found = await receipts(log, r.position, r.position, tenant=r.tenant)
    if not found:
        raise LedgerError(Reason.POSITION_UNKNOWN)
    return au.GetReceiptResponse(receipt=found[0])
