"""Receipts for tests: a log of given leaves with a key of its own, and what a controller may tell of itself.

The tree is computed here as RFC 9162 defines it, by recursion over all leaves, and not by our own code.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from consentledger.receipts.controller import Controller, controller_of
from consentledger.tlog.checkpoint import Checkpoint
from consentledger.tlog.note import Ed25519Signer, sign_note
from consentledger.tlog.prooffile import TlogProof
from consentledger.v1 import types_pb2 as types

ORIGIN = "ledger.example/consent"
SEED = bytes(range(32))

CONTROLLER: dict[str, Any] = {
    "iri": "https://shop.example/",
    "name": "The shop",
    "address": {"streetAddress": "1 Example Street", "postalCode": "00000", "addressCountry": "DE"},
    "contact": "Data Protection Officer",
    "email": "privacy@shop.example",
    "phone": "+49 30 0000000",
    "url": "https://shop.example/",
    "policyUrl": "https://shop.example/privacy",
    "withdrawAt": "https://shop.example/choices",
    "rightsAt": "https://shop.example/rights",
    "storageLocations": ["DE", "EU"],
    "recipients": [
        {
            "iri": "https://mailer.example/",
            "name": "The mailer",
            "address": {"addressCountry": "IE"},
            "email": "privacy@mailer.example",
        }
    ],
    "authority": {
        "iri": "https://authority.example/",
        "name": "The authority",
        "address": {"addressCountry": "DE"},
        "phone": "+49 30 0000001",
    },
    "service": "The shop",
}
"""All that a controller can tell."""


def controller(**changes: Any) -> Controller:
    """The controller that tells all; None leaves a key out."""
    told = {key: value for key, value in (CONTROLLER | changes).items() if value is not None}
    return controller_of(told)


def receipt_of(leaves: Sequence[bytes], position: int) -> types.Receipt:
    """The receipt of one of the leaves of a log, under its newest head."""
    hashes = [_leaf(leaf) for leaf in leaves]
    signer = Ed25519Signer(ORIGIN, SEED)
    note = sign_note(Checkpoint(ORIGIN, len(leaves), _root(hashes)).text(), [signer])
    proof = TlogProof(position - 1, tuple(_path(position - 1, hashes)), note).to_bytes()
    return types.Receipt(position=position, leaf=leaves[position - 1], tlog_proof=proof, vkey=signer.verifier.vkey())


def _leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def _root(hashes: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1."""
    if len(hashes) == 1:
        return hashes[0]
    k = _split(len(hashes))
    return hashlib.sha256(b"\x01" + _root(hashes[:k]) + _root(hashes[k:])).digest()


def _path(index: int, hashes: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 9162, 2.1.3.1."""
    if len(hashes) == 1:
        return []
    k = _split(len(hashes))
    if index < k:
        return [*_path(index, hashes[:k]), _root(hashes[k:])]
    return [*_path(index - k, hashes[k:]), _root(hashes[:k])]


def _split(size: int) -> int:
    k = 1
    while 2 * k < size:
        k *= 2
    return k
