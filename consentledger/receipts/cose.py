"""The same proof as a COSE receipt of inclusion (RFC 9942, verifiable data structure RFC9162_SHA256). Pure.

For those whose tools speak COSE and not C2SP. A COSE_Sign1 over the root of the tree, signed by EdDSA:

    18([<<{1: -8, 4: key id, 395: 1}>>, {396: {-1: [<<[tree size, leaf index, [hash, ...]]>>]}}, null, signature])

- The payload is detached: a verifier computes the root of the leaf and the path, then checks the signature of it.
- The signature is a new one, not the checkpoint's; `sign` is called once, with the bytes to be signed (RFC 9052, 4.4).
  Use a key of its own, so that no other text that it signs can be read as a receipt. The algorithm is written -8
  (EdDSA), which libraries read; RFC 9864 names -19 (Ed25519) for the same signature.
- Position, size and path are those of the receipt. Cosignatures of witnesses, and the log's name, are not in it.
- A tree of one leaf has no path, and RFC 9942 asks for at least one hash: there is no such receipt.
"""

from collections.abc import Callable

from consentledger.errors import invalid
from consentledger.receipts.cbor import Tag, Value, encode
from consentledger.receipts.proof import checkpoint_of
from consentledger.tlog.prooffile import parse_proof
from consentledger.v1 import types_pb2 as types

_COSE_SIGN1 = 18
_ALGORITHM, _KEY_ID = 1, 4
_EDDSA = -8
_STRUCTURE, _RFC9162_SHA256 = 395, 1
_PROOFS, _INCLUSION = 396, -1

ED25519_SIGNATURE = 64


def cose_receipt(receipt: types.Receipt, key_id: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """The receipt. `sign` gives the 64 bytes of an Ed25519 signature; `key_id` tells a verifier which key that was.

    Raises INVALID_FIELD for a receipt whose proof does not hold, and for a tree of one leaf.
    """
    root = checkpoint_of(receipt)
    proof = parse_proof(receipt.tlog_proof)
    if not proof.hashes:
        raise invalid("receipt", "a tree of two leaves or more")
    inclusion = encode([root.size, proof.index, list(proof.hashes)])
    protected = encode({_ALGORITHM: _EDDSA, _KEY_ID: key_id, _STRUCTURE: _RFC9162_SHA256})
    signature = sign(to_be_signed(protected, root.root))
    if len(signature) != ED25519_SIGNATURE:
        raise invalid("signature", "64 bytes")
    unprotected: Value = {_PROOFS: {_INCLUSION: [inclusion]}}
    return encode(Tag(_COSE_SIGN1, [protected, unprotected, None, signature]))


def to_be_signed(protected: bytes, root: bytes) -> bytes:
    """The Sig_structure of a COSE_Sign1, without external data."""
    return encode(["Signature1", protected, b"", root])
