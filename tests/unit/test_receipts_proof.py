"""The proof inside a document: whole, taken out as it was put in, and never guessed from what is not one."""

from datetime import UTC, datetime
from typing import Any

import pytest

from consentledger.errors import LedgerError
from consentledger.receipts import iso27560, kantara
from consentledger.receipts.proof import checkpoint_of, extract
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.keys import VerifierKey
from consentledger.tlog.prooffile import verify_proof
from tests.golden.documents import GRANT, OBJECTION, TREE, golden_source
from tests.support.receipts import ORIGIN, controller
from tests.support.schemas import changed

SOURCE = golden_source(GRANT, told=controller())
RECORD = iso27560.record(SOURCE)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(RECORD, id="record"),
        pytest.param(iso27560.receipt(SOURCE, datetime(2026, 1, 1, tzinfo=UTC)), id="receipt"),
        pytest.param(kantara.receipt(SOURCE), id="kantara"),
    ],
)
def test_the_proof_comes_out_as_it_went_in_and_holds(document: Any) -> None:
    receipt = extract(document)
    assert receipt == SOURCE.receipt
    checkpoint = verify_proof(receipt.tlog_proof, leaf_hash(receipt.leaf), [VerifierKey.parse(receipt.vkey)])
    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, TREE)
    assert checkpoint_of(receipt) == checkpoint


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("cl:proof",), ..., "proof"),
        (("cl:proof",), "text", "proof"),
        (("cl:proof",), [RECORD["cl:proof"], RECORD["cl:proof"]], "proof"),
        (("cl:proof", "cl:type"), "DataIntegrityProof", "proof.type"),
        (("cl:proof", "cl:position"), 0, "proof.position"),
        (("cl:proof", "cl:position"), 2**63, "proof.position"),
        (("cl:proof", "cl:position"), True, "proof.position"),
        (("cl:proof", "cl:position"), "8", "proof.position"),
        (("cl:proof", "cl:leaf"), "not base64!", "proof.leaf"),
        (("cl:proof", "cl:leaf"), ..., "proof"),
        (("cl:proof", "cl:tlogProof"), 1, "proof"),
        (("cl:proof", "cl:vkey"), None, "proof"),
    ],
)
def test_what_is_no_proof_is_refused(path: tuple[Any, ...], value: Any, field: str) -> None:
    with pytest.raises(LedgerError) as refusal:
        extract(changed(RECORD, path, value))
    assert refusal.value.metadata["field"] == field


@pytest.mark.parametrize("document", [None, [], "text", 7, {}, {"consentLedger": []}, {"dpv:hasRecordOfActivity": "x"}])
def test_a_document_without_a_proof_is_refused(document: Any) -> None:
    with pytest.raises(LedgerError):
        extract(document)


def test_a_receipt_of_two_records_is_refused() -> None:
    other = iso27560.record(golden_source(OBJECTION))
    with pytest.raises(LedgerError):
        extract({"dpv:hasRecordOfActivity": [RECORD, other]})
