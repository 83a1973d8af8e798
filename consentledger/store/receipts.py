"""Receipts: an event, verbatim, with the proof that it is in the log.

They are made from what is signed already: ask after the write was acknowledged.
"""

from consentledger.store.logtree import LogDamaged
from consentledger.store.notary import Signed
from consentledger.store.signedlog import SignedLog
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.prooffile import TlogProof
from consentledger.tlog.proofs import ProofError, verify_inclusion
from consentledger.v1.types_pb2 import Receipt


async def receipts(log: SignedLog, first: int, last: int, tenant: str) -> list[Receipt]:
    """Of the tenant's events at these positions, inclusive, as far as they are signed."""
    if not 0 < first <= last:
        return []
    signed = log.notary.checkpoint()
    leaves = await log.store.leaves(first - 1, last - first + 1, upto=min(last, signed.size), tenant=tenant)
    return [await receipt(log, signed, position, leaf) for position, leaf in leaves]


async def receipt(log: SignedLog, signed: Signed, position: int, leaf: bytes) -> Receipt:
    """Of the event at this position, whose leaf it is. LogDamaged rather than a proof that does not hold."""
    hashes = await log.prover.inclusion(position - 1, signed.size)
    try:
        verify_inclusion(position - 1, signed.size, leaf_hash(leaf), hashes, signed.root)
    except ProofError:
        raise LogDamaged(f"the event at {position} is not what was signed") from None
    proof = TlogProof(position - 1, tuple(hashes), signed.note, None)
    return Receipt(position=position, leaf=leaf, tlog_proof=proof.to_bytes(), vkey=log.notary.vkeys[-1])
