"""The extension that carries the proof inside a document, and how it is taken out again. Pure.

A C2SP tlog-proof needs two things to be checked: the leaf's bytes and the proof file. Both travel whole, with the
verifier key of the log, so that nothing else has to be asked for. In JSON-LD the names carry the prefix `cl:`, which
keeps them alive in a JSON-LD processor; in plain JSON they stand as they are.

- The key inside proves nothing about itself: whoever forges a receipt forges it too. It MUST be compared with one that
  was got another way.
- `checkpoint_of` therefore finds accidents, not forgeries: no document is made of a proof that does not hold.
- `extract` finds the proof of a record, a receipt or a Kantara receipt, and checks form only.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from consentledger.errors import invalid
from consentledger.tlog.checkpoint import Checkpoint
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.keys import VerifierKey
from consentledger.tlog.prooffile import parse_proof, verify_proof
from consentledger.v1 import types_pb2 as types

PROOF_FORMAT = "C2SP tlog-proof"
EXTENSION = "consentLedger"
"""Where it lies in a document that has no extension mechanism of its own."""

VERIFY = (
    "1. Compare vkey with the log's key got from somewhere else. 2. Decode leaf from base64. 3. Check tlogProof "
    "(https://c2sp.org/tlog-proof) for the leaf, with vkey, by any C2SP verifier. 4. Read the leaf as protobuf message "
    "consentledger.v1.LedgerEntry. What this document says beyond the leaf is the issuer's word only."
)


def checkpoint_of(receipt: types.Receipt) -> Checkpoint:
    """The tree head that the receipt's leaf is under, by the receipt's own key. Raises INVALID_FIELD if it is not."""
    try:
        if parse_proof(receipt.tlog_proof).index == receipt.position - 1:
            return verify_proof(receipt.tlog_proof, leaf_hash(receipt.leaf), [VerifierKey.parse(receipt.vkey)])
    except ValueError:
        pass
    raise invalid("receipt", "a proof of the leaf at the position, under the key beside it")


def plain(receipt: types.Receipt) -> dict[str, Any]:
    """For JSON. The proof was checked before: a note is UTF-8."""
    return {
        "type": PROOF_FORMAT,
        "position": receipt.position,
        "leaf": base64.b64encode(receipt.leaf).decode(),
        "tlogProof": receipt.tlog_proof.decode(),
        "vkey": receipt.vkey,
        "verify": VERIFY,
    }


def linked(receipt: types.Receipt) -> dict[str, Any]:
    """For JSON-LD."""
    return {f"cl:{name}": value for name, value in plain(receipt).items()}


def extract(document: object) -> types.Receipt:
    """The proof that a document carries. Raises INVALID_FIELD when it has none, several, or none that can be read."""
    found = list(_proofs(document))
    if len(found) != 1:
        raise invalid("proof", "exactly one")
    proof = found[0]
    position, leaf, text, vkey = (proof.get(name) for name in ("position", "leaf", "tlogProof", "vkey"))
    if proof.get("type") != PROOF_FORMAT:
        raise invalid("proof.type", PROOF_FORMAT)
    # JSON's true is an int in Python.
    if not isinstance(position, int) or isinstance(position, bool) or not 0 < position < 2**63:
        raise invalid("proof.position", "a number from 1")
    if not (isinstance(leaf, str) and isinstance(text, str) and isinstance(vkey, str)):
        raise invalid("proof", "leaf, tlogProof and vkey as texts")
    try:
        raw = base64.b64decode(leaf, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("proof.leaf", "base64") from None
    return types.Receipt(position=position, leaf=raw, tlog_proof=text.encode(), vkey=vkey)


def _proofs(document: object) -> list[Mapping[str, Any]]:
    if not isinstance(document, dict):
        return []
    nodes = [document, *_objects(document.get("dpv:hasRecordOfActivity"))]
    linked = [proof for node in nodes for proof in _objects(node.get("cl:proof"))]
    extension = document.get(EXTENSION)
    plain = _objects(extension.get("proof")) if isinstance(extension, dict) else []
    return [{name.removeprefix("cl:"): value for name, value in proof.items()} for proof in [*linked, *plain]]


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]
