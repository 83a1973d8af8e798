"""Our records and receipts are what their schemas say, and the schemas tell a good document from a bad one."""

from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from consentledger.receipts import iso27560, kantara
from consentledger.receipts.completeness import OWN_RECORD, missing, missing_for_gdpr
from consentledger.receipts.controller import Controller
from consentledger.receipts.vocabulary import PROFILES
from tests.golden.documents import (
    ADA,
    DENIAL,
    GRANT,
    OBJECTION,
    RENEWED,
    WITHDRAWAL,
    WITHDRAWAL_OF_ALL,
    golden_source,
)
from tests.support.receipts import CONTROLLER, controller
from tests.support.schemas import NAMES, changed, errors, places, schema
from tests.support.shared_data import shared_json

POSITIONS = (GRANT, DENIAL, WITHDRAWAL, WITHDRAWAL_OF_ALL, OBJECTION, RENEWED)
CORRECTED = {"record": "dpv27560_record_corrected", "receipt": "dpv27560_receipt_corrected"}
NOW = datetime(2026, 2, 3, tzinfo=UTC)
IRI = "https://w3id.org/dpv/pd#EmailAddress"


def full(told: Controller | None = None, **more: Any) -> dict[str, Any]:
    """The record of a grant that lacks nothing: its purpose names its data by an IRI."""
    source = golden_source(GRANT, told=told or controller(), **more)
    source.purposes[0].data_categories[:] = [IRI]
    return iso27560.record(source)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("told", [None, controller()], ids=["nothing told", "all told"])
@pytest.mark.parametrize("subject", [None, ADA], ids=["pseudonym", "named"])
def test_every_record_and_receipt_is_valid(position: int, told: Controller | None, subject: Any) -> None:
    source = golden_source(position, subject, told)
    assert errors("record", iso27560.record(source)) == []
    assert errors("receipt", iso27560.receipt(source, NOW)) == []


@pytest.mark.parametrize("name", CORRECTED)
def test_the_corrected_examples_of_the_guide_are_valid(name: str) -> None:
    assert errors(name, shared_json(f"receipts/{CORRECTED[name]}.json")) == []


def test_a_kantara_receipt_and_the_shared_example_are_valid() -> None:
    assert errors("kantara", kantara.receipt(golden_source(GRANT, told=controller()))) == []
    assert errors("kantara", shared_json("receipts/kantara_cr_v1_1_example.json")) == []


def test_what_a_controller_may_tell_is_valid() -> None:
    assert errors("controller", CONTROLLER) == []
    assert errors("controller", {}) == []


@pytest.mark.parametrize("position", [GRANT, WITHDRAWAL, OBJECTION])
def test_no_value_of_a_record_goes_unchecked(position: int) -> None:
    record = iso27560.record(golden_source(position, ADA, controller()))
    unchecked = [path for path in places(record) if not errors("record", changed(record, path, 7.5))]
    assert unchecked == []


def test_no_value_of_a_kantara_receipt_goes_unchecked() -> None:
    receipt = kantara.receipt(golden_source(GRANT, told=controller()))
    assert [path for path in places(receipt) if not errors("kantara", changed(receipt, path, 7.5))] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("@type",), "dpv:ConsentReceipt"),
        (("dpv:hasConsentStatus",), ...),
        (("dpv:hasConsentStatus", 0, "@type"), ["dpv:ConsentTerminated"]),
        (("dpv:hasConsentStatus", 0, "@type"), ["dpv:ConsentGiven", "dpv:ConsentWithdrawn"]),
        (("dpv:hasConsentStatus", 0, "dpv:hasDuration"), ...),
        (("dpv:hasConsentStatus", 0, "dpv:hasDuration"), {"@type": "dpv:UntilTimeDuration"}),
        (("dpv:hasConsentStatus", 0, "dpv:isIndicatedAtTime"), "2026-01-01T10:00:00"),
        (("dpv:hasConsentStatus", 0, "dpv:isIndicatedBy"), ...),
        (("dpv:hasApplicableLaw",), {"@id": "eu-gdpr:GDPR"}),
        (("dpv:hasRight",), ...),
        (("dpv:hasProcess", 0, "dpv:hasLegalBasis"), ...),
        (("dpv:hasProcess", 0, "dpv:hasPurpose"), "dpv:Marketing"),
        (("@context", "dpv"), "https://example.com/dpv#"),
        (("cl:proof", "cl:tlogProof"), "c2sp.org/tlog-proof@v2\nindex 7\n\nx\n"),
        (("cl:proof", "cl:vkey"), ...),
        (("cl:proof", "cl:position"), 0),
        (("unprefixed",), "a name that a JSON-LD processor drops"),
    ],
)
def test_a_record_that_breaks_a_rule_is_invalid(path: tuple[Any, ...], value: Any) -> None:
    assert errors("record", full()) == []
    assert errors("record", changed(full(), path, value))


def test_a_receipt_claims_no_more_than_its_record() -> None:
    receipt = iso27560.receipt(golden_source(GRANT), NOW)
    assert errors("receipt", receipt) == []
    for profile in ("receipt", "receipt-eu-gdpr"):
        assert errors("receipt", changed(receipt, ("dct:conformsTo",), PROFILES + profile))


@pytest.mark.parametrize("left_out", [(), *((key,) for key in CONTROLLER), ("recipients", "withdrawAt", "address")])
@pytest.mark.parametrize("data", [IRI, "e-mail"])
def test_what_counts_as_complete_is_the_same_in_code_and_schema(left_out: tuple[str, ...], data: str) -> None:
    source = golden_source(GRANT, told=controller(**dict.fromkeys(left_out)))
    source.purposes[0].data_categories[:] = [data]
    record = iso27560.record(source)
    complete = not missing(record)
    assert complete is (errors("record", changed(record, ("dct:conformsTo",), PROFILES + "record")) == [])
    gdpr = complete and not set(missing_for_gdpr(record)) - {"authority_party"}
    assert gdpr is (errors("record", changed(record, ("dct:conformsTo",), PROFILES + "record-eu-gdpr")) == [])
    assert (record["dct:conformsTo"] == OWN_RECORD) is not complete
