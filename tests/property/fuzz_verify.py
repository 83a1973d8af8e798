"""What the offline verifier reads, as targets: exports, leaves, receipts, keys."""

import io
import json
import random
from base64 import b64encode
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from google.protobuf.message import DecodeError

from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.prooffile import ProofFileError, parse_proof
from consentledger.v1 import events_pb2 as ev
from consentledger_verify.anchors import Receipt
from consentledger_verify.canonical import Malformed
from consentledger_verify.entry import BadEntry, read_entry
from consentledger_verify.lines import ExportFile
from consentledger_verify.report import document, screen
from consentledger_verify.seals import BadKeys, read_keys
from consentledger_verify.single import verify_consistent, verify_receipt
from consentledger_verify.trust import Trust
from consentledger_verify.verify import verify
from tests.property.fuzz_harness import Target
from tests.support.madeexport import Case, Parties
from tests.support.madelog import made_log

_CHANCE = random.Random(2026)
_CASE = Case.of(made_log(_CHANCE, 12, erasures=0.3), Parties.of(_CHANCE))
_ASKED = _CASE.asked(pins=(_CASE.pin(5),), receipts=(_CASE.receipt(7, 9),), keys=_CASE.log.keys())
_EXPORTS = [
    _CASE.file(),
    _CASE.file(4, 9, 11, tenants=["acme"]),
    _CASE.file(1, 0, 0),
    _CASE.file(3, 5, ciphertexts=False, witnesses=()),
]
_RECEIPT = _CASE.receipt(7, 9)
_TRUST = Trust("given", (_CASE.parties.log.verifier,))
_NUMBERS = [b"0", b"1", b"00", b"-1", b"1.0", b"1e2", b"9" * 19, b"9" * 30, b"true", b"null", b'"1"', b"NaN"]
_JSON = [b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\u0061", b"\\ud800", b" ", b"\n", b"\r\n", b"\0", b"\xff"]
_NAMES = [b'"i":', b'"leaf":', b'"ct":', b'"hash":', b'"end":', b'"sha256":', b'"first":', b'"tenants":', b"[" * 5_000]
_WIRE = [
    b"\x08\x01",
    b"\x08\x81\x00",
    b"\x12\x00",
    b"\x42\x02\x0a\x00",
    b"\x5a\x00",
    b"\xff" * 10,
    b"\x4a\x20",
    b"\x7a",
]


@dataclass
class Refused(Exception):
    """The verifier's own report that a file cannot be read."""

    text: str

    def __str__(self) -> str:
        return self.text


def _export(data: bytes) -> bytes | None:
    """Read to the end, and written again by other code; None where the digest on the last line is not its own."""
    file = ExportFile(io.BytesIO(data))
    header = file.header()
    fields: dict[str, Any] = {
        "format": "consent-ledger-export@v1",
        "log": header.log,
        "vkeys": list(header.vkeys),
        "checkpoint": header.checkpoint.decode(),
        "first": header.first,
        "last": header.last,
        "edge": [b64encode(one).decode() for one in header.edge],
        "consistency": [b64encode(one).decode() for one in header.consistency],
        "tenants": sorted(header.tenants),
        "ciphertexts": header.ciphertexts,
        "cosignatures": header.cosignatures.decode(),
    }
    lines = [_line(fields)]
    for position, leaf, more in file.entries():
        row: dict[str, Any] = {"i": position}
        if leaf is None:
            row["hash"] = b64encode(more or b"").decode()
        else:
            row["leaf"] = b64encode(leaf).decode()
            row |= {"ct": b64encode(more).decode()} if more is not None else {}
        lines.append(_line(row))
    body = b"".join(lines)
    return body + _line({"end": file.end, "sha256": sha256(body).hexdigest()}) if file.as_written else None


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _verify(data: bytes) -> None:
    """The whole verification, and both reports of it."""
    view = verify(io.BytesIO(data), _ASKED)
    assert json.dumps(document(view, "x")) and "\x1b" not in "".join(screen(view, "x"))
    if view.code:
        assert data not in _EXPORTS[:2]
        raise Refused(", ".join(sorted(str(found.problem) for found in view.found.problems)))


def _leaf(data: bytes) -> bytes | None:
    """Accepted as one spelling; then protobuf's own writer must make the same bytes, if it can read the header."""
    read_entry(data)
    try:
        entry = ev.LedgerEntry.FromString(data)
    except DecodeError:
        return None
    made = entry.SerializeToString(deterministic=True)
    # Inside the header this reader does not look; whoever does finds other spellings there.
    return made if entry.header.SerializeToString(deterministic=True) in data else None


def _receipt(data: bytes) -> None:
    single = verify_receipt(parse_proof(data), _RECEIPT.leaf, _TRUST)
    if single.problem is not None:
        raise Refused(single.problem.text)


def _single(data: bytes) -> None:
    receipt = Receipt("x", parse_proof(data), _RECEIPT.leaf)
    view = verify(io.BytesIO(_EXPORTS[0]), replace(_ASKED, receipts=(receipt,)))
    if view.code:
        raise Refused(", ".join(found.text for found in view.found.problems))


def _consistent(data: bytes) -> None:
    single = verify_consistent(_CASE.note(5), _CASE.note(11), data, _TRUST)
    if single.problem is not None:
        raise Refused(single.problem.text)


def _keys(data: bytes) -> None:
    assert all(len(stream) == 16 and len(key) == 32 for stream, key in read_keys(data).items())


_PROOF = b"".join(b64encode(one) + b"\n" for one in _CASE.consistency(5, 11))
_KEYS = json.dumps({bytes(16).hex(): b64encode(bytes(32)).decode(), "ab" * 16: "AAAA"}).encode()
_GOOD_KEYS = json.dumps({bytes(16).hex(): b64encode(bytes(32)).decode()}).encode()

TARGETS = (
    Target("export", _export, (Malformed,), _EXPORTS, [*_NUMBERS, *_JSON, *_NAMES]),
    Target("leaf", _leaf, (BadEntry,), [e.leaf for e in _CASE.log.entries], [*_WIRE, *_NUMBERS, leaf_hash(b"")]),
    Target("verify", _verify, (Refused,), _EXPORTS[:2], [*_NUMBERS, *_JSON, *_NAMES], _EXPORTS[2:]),
    Target("receipt", _receipt, (ProofFileError, Refused), [_RECEIPT.proof.to_bytes()], [*_NUMBERS, b"AAAA", b"\n"]),
    Target("receipts", _single, (ProofFileError, Refused), [_RECEIPT.proof.to_bytes()], [*_NUMBERS, b"AAAA", b"\n"]),
    Target("consistency", _consistent, (Refused,), [_PROOF], [b"\n", b"\r", b"AAAA", b"=", b"\xff"]),
    Target("keys", _keys, (BadKeys,), [_GOOD_KEYS], [*_NUMBERS, *_JSON, b"[" * 5_000], [_KEYS]),
)
"""A whole verification is slow: its runs are fewer."""
