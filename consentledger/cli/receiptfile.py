"""A receipt in a file, in any of its forms: what it proves, and whether it says the same itself. Pure but for `read`.

Only the leaf is proven. A document that says something else than its leaf is worth nothing, however good the proof; so
each field that follows from the leaf is compared. What else a document says (names, addresses, titles) is not.

- `.tlog-proof`: the leaf lies beside it, `NAME.leaf`. It names no log key, so that nothing is said about signatures.
"""

import base64
import binascii
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from consentledger.cli.failures import BadFile
from consentledger.cli.import_records import one_record
from consentledger.cli.imports import RowError, SourceAct, import_row
from consentledger.cli.jsonld import many
from consentledger.errors import LedgerError
from consentledger.receipts import kantara, proof
from consentledger.receipts.act import ProvenAct, act_of
from consentledger.receipts.iso27560 import record_id
from consentledger.tlog.prooffile import parse_proof
from consentledger.v1 import types_pb2 as types

PROOF_SUFFIX, LEAF_SUFFIX = ".tlog-proof", ".leaf"

_LARGEST = 16 << 20
_RECORDS = "dpv:hasRecordOfActivity"


@dataclass(frozen=True, slots=True)
class Read:
    """A file, read."""

    receipt: types.Receipt
    differs: tuple[str, ...]
    """The parts of the document that say something else than the leaf."""


def read(path: Path) -> Read:
    """Any form that the command writes. Raises BadFile, LedgerError for a proof that cannot be read."""
    try:
        if path.stat().st_size > _LARGEST:
            raise BadFile("larger than 16 MiB")
        data = path.read_bytes()
        if path.suffix == PROOF_SUFFIX:
            return Read(_beside(data, path.with_suffix(LEAF_SUFFIX).read_bytes()), ())
    except OSError:
        raise BadFile(f"cannot be read, or {LEAF_SUFFIX} beside it") from None
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise BadFile("neither JSON nor named " + PROOF_SUFFIX) from None
    if not isinstance(document, dict):
        raise BadFile("a JSON object")
    if "tlog_proof" in document:
        return Read(_own_json(document), ())
    receipt = proof.extract(document)
    return Read(receipt, tuple(_differing(document, receipt)))


def _beside(data: bytes, leaf: bytes) -> types.Receipt:
    try:
        return types.Receipt(position=parse_proof(data).index + 1, leaf=leaf, tlog_proof=data)
    except ValueError:
        raise BadFile("a C2SP tlog-proof") from None


def _own_json(document: dict[str, Any]) -> types.Receipt:
    try:
        leaf, text = (base64.b64decode(document[name], validate=True) for name in ("leaf", "tlog_proof"))
        return types.Receipt(position=int(document["position"]), leaf=leaf, tlog_proof=text, vkey=document["vkey"])
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise BadFile("position, leaf, tlog_proof and vkey") from None


def _differing(document: dict[str, Any], receipt: types.Receipt) -> Iterator[str]:
    try:
        act = act_of(receipt.leaf)
    except LedgerError:
        act = None
    if act is None or len(act.person) != 16:
        yield "leaf"
        return
    if isinstance(document.get(proof.EXTENSION), dict):
        yield from _differing_kantara(document, act, receipt.leaf)
        return
    for record in many(document.get(_RECORDS, document)):
        if not isinstance(record, dict):
            yield _RECORDS
            continue
        if record.get("dct:identifier") != str(record_id(receipt.leaf)):
            yield "dct:identifier"
        if _iri(record.get("dpv:hasDataSubject")) != uuid.UUID(bytes=act.person).urn:
            yield "dpv:hasDataSubject"
        yield from _differing_rows({"@context": document.get("@context", {}), **record}, act)


def _iri(node: object) -> object:
    return node.get("@id") if isinstance(node, dict) else None


def _differing_kantara(document: dict[str, Any], act: ProvenAct, leaf: bytes) -> Iterator[str]:
    extension = document[proof.EXTENSION]
    expected = kantara.leaf_part(act)
    told = {name: value for name, value in extension.items() if name not in ("proof", "noticeSha256")}
    yield from sorted(name for name in told.keys() | expected.keys() if told.get(name) != expected.get(name))
    if document.get("consentTimestamp") != act.happened_at.seconds:
        yield "consentTimestamp"
    if document.get("consentReceiptID") != str(record_id(leaf)):
        yield "consentReceiptID"


def _differing_rows(record: dict[str, Any], act: ProvenAct) -> Iterator[str]:
    """The record is read as an import would read it, and compared with what an import of the leaf would be."""
    try:
        rows = one_record(record, {})
    except RowError as error:
        yield error.field
        return
    if len(rows) != len(act.purposes):
        yield "dpv:hasProcess"
        return
    for row, expected in zip(rows, _acts(act), strict=True):
        due = import_row(expected)
        due.request_id, row.request_id = "", ""
        row.ClearField("subject")
        due.ClearField("subject")
        yield from _fields(row, due)


def _acts(act: ProvenAct) -> Iterator[SourceAct]:
    for purpose in act.purposes:
        yield SourceAct(
            request_id="00000000-0000-0000-0000-000000000000",
            namespace="iri",
            id="-",
            act=act.kind.value,
            purpose=purpose,
            occurred_at=act.happened_at.ToDatetime(UTC),
            notice_version=act.notice_version,
            method=act.common.method,
            jurisdiction=act.common.jurisdiction,
            collector=act.common.collector,
            language=act.common.language,
            age_band={types.AGE_BAND_ADULT: "adult", types.AGE_BAND_MINOR: "minor"}.get(act.common.age_band, ""),
            explicit=act.explicit,
            expires_at=act.expires_at.ToDatetime(UTC) if act.expires_at else None,
            evidence_sha256=act.common.evidence_sha256,
        )


def _fields(one: Message, other: Message) -> Iterator[str]:
    for field in one.DESCRIPTOR.fields:
        if getattr(one, field.name) != getattr(other, field.name):
            yield field.name
