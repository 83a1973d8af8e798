"""Records and receipts: what each act becomes, who is named, what is claimed, and what is refused."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.receipts import iso27560
from consentledger.receipts.completeness import missing, missing_for_gdpr
from consentledger.receipts.source import source
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from tests.architecture import rules
from tests.architecture.sources import product
from tests.golden.documents import (
    ADA,
    DENIAL,
    GRANT,
    OBJECTION,
    RENEWED,
    TREE,
    WITHDRAWAL,
    WITHDRAWAL_OF_ALL,
    golden_source,
)
from tests.golden.leaves import stored
from tests.support.receipts import controller, receipt_of
from tests.support.shared_data import shared_column, shared_json

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
TABLES = {
    "dpv": "consent consent_controls consent_status consent_types legal_basis legal_basis_status notice personal_data "
    "processing purposes rights status",
    "eu-gdpr": "legal_basis legal_basis_special rights",
}
ELSEWHERE = {
    "dpv:" + term for term in ("Authority", "GuardianOfDataSubject", "Recipient", "UntilTimeDuration", "hasAuthority")
}
"""Terms of DPV 2.3 that stand neither in the tables nor in the corrected examples."""


def refused(**parts: Any) -> tuple[str, str]:
    """Field and rule of the refusal of a source that is made with other parts than fit together."""
    good = golden_source(GRANT)
    given = {"receipt": good.receipt, "tenant": good.tenant, "purposes": good.purposes, "notice": good.notice} | parts
    with pytest.raises(LedgerError) as refusal:
        source(given["receipt"], given["tenant"], given["purposes"], given["notice"])
    assert refusal.value.reason is Reason.INVALID_FIELD
    return refusal.value.metadata["field"], refusal.value.metadata["rule"]


@pytest.mark.parametrize(
    ("position", "kind", "key", "types"),
    [
        (GRANT, "dpv:ConsentRecord", "dpv:hasConsentStatus", ["dpv:ConsentGiven", "dpv:ExplicitlyExpressedConsent"]),
        (RENEWED, "dpv:ConsentRecord", "dpv:hasConsentStatus", ["dpv:ConsentGiven", "dpv:ExpressedConsent"]),
        (DENIAL, "dpv:ConsentRecord", "dpv:hasConsentStatus", ["dpv:ConsentRefused", "dpv:ExpressedConsent"]),
        (WITHDRAWAL, "dpv:ConsentRecord", "dpv:hasConsentStatus", ["dpv:ConsentWithdrawn"]),
        (WITHDRAWAL_OF_ALL, "dpv:ConsentRecord", "dpv:hasConsentStatus", ["dpv:ConsentWithdrawn"]),
        (OBJECTION, "dpv:RightExerciseRecord", "dpv:hasStatus", ["cl:Objected", "dpv:LegitimateInterestObjected"]),
    ],
)
def test_each_act_has_its_own_state(position: int, kind: str, key: str, types: list[str]) -> None:
    record = iso27560.record(golden_source(position))
    assert record["@type"] == kind
    assert [status["@type"] for status in record[key]] == [types]
    assert ("dpv:hasConsentStatus" in record) is not ("dpv:hasStatus" in record)


def test_an_objection_to_what_nobody_bases_on_interest_is_still_one() -> None:
    record = iso27560.record(golden_source(OBJECTION, regimes=()))
    assert record["dpv:hasStatus"][0]["@type"] == ["cl:Objected"]


@pytest.mark.parametrize("position", [GRANT, WITHDRAWAL_OF_ALL, OBJECTION])
def test_the_person_is_not_named_unless_asked_for(position: int) -> None:
    secret = ty.SubjectRef(namespace="crm", id="secret-4711")
    anonymous, named = golden_source(position), golden_source(position, secret)
    for make in (iso27560.record, lambda source: iso27560.receipt(source, NOW)):
        assert "secret" not in json.dumps(make(anonymous)) and "@example" not in json.dumps(make(anonymous))
        assert "crm:secret-4711" in json.dumps(make(named))
    assert iso27560.record(anonymous)["dpv:hasDataSubject"]["@id"] == anonymous.pseudonym


def test_the_same_input_gives_the_same_document_and_another_issue_another_receipt() -> None:
    source = golden_source(GRANT)
    assert iso27560.receipt(source, NOW) == iso27560.receipt(golden_source(GRANT), NOW.astimezone())
    later = iso27560.receipt(source, NOW + timedelta(seconds=1))
    assert later["@id"] != iso27560.receipt(source, NOW)["@id"]
    assert later["dpv:hasRecordOfActivity"] == iso27560.receipt(source, NOW)["dpv:hasRecordOfActivity"]
    assert iso27560.record(source)["@id"] != iso27560.record(golden_source(RENEWED))["@id"]


def test_a_time_of_issue_without_an_offset_is_refused() -> None:
    with pytest.raises(LedgerError, match="INVALID_FIELD"):
        iso27560.receipt(golden_source(GRANT), NOW.replace(tzinfo=None))


def test_a_profile_is_claimed_only_with_all_that_it_asks_for() -> None:
    told = golden_source(GRANT, told=controller())
    told.purposes[0].data_categories[:] = ["https://w3id.org/dpv/pd#EmailAddress"]
    assert iso27560.record(told)["dct:conformsTo"] == "https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr"
    assert iso27560.receipt(told, NOW)["dct:conformsTo"] == "https://w3id.org/dpv/schema/dpv-27560#receipt-eu-gdpr"
    without_authority = golden_source(GRANT, told=controller(authority=None))
    without_authority.purposes[0].data_categories[:] = ["https://w3id.org/dpv/pd#EmailAddress"]
    record = iso27560.record(without_authority)
    assert record["dct:conformsTo"] == "https://w3id.org/dpv/schema/dpv-27560#record"
    assert missing_for_gdpr(record) == ("authority_party",)


def test_what_nobody_told_is_listed_and_not_made_up() -> None:
    record = iso27560.record(golden_source(GRANT))
    assert missing(record) == (
        "pii_type",
        "storage_locations",
        "recipient_third_parties",
        "withdrawal_method",
        "party_address",
        "party_contact",
    )
    assert "dpv:hasRecipient" not in json.dumps(record) and "schema:address" not in json.dumps(record["dpv:hasEntity"])
    assert missing(iso27560.record(golden_source(OBJECTION, told=controller())))[-1] == "event_state"


def test_a_notice_that_was_never_published_here_is_named_and_no_more() -> None:
    [notice] = iso27560.record(golden_source(DENIAL))["dpv:hasNotice"]
    assert notice.keys() == {"@id", "@type", "dct:identifier"} and notice["dct:identifier"] == "paper-1999"


def test_only_recipients_that_were_told_are_named() -> None:
    [process] = iso27560.record(golden_source(GRANT, told=controller(recipients=[])))["dpv:hasProcess"]
    assert process["dpv:hasRecipient"] == [{"@id": "https://shop.example/"}]


def test_bases_are_those_of_the_regimes_that_apply() -> None:
    def bases(*regimes: str) -> list[str]:
        [process] = iso27560.record(golden_source(GRANT, regimes=regimes))["dpv:hasProcess"]
        return [basis["@id"] for basis in process.get("dpv:hasLegalBasis", [])]

    assert bases() == []
    assert bases("gdpr") == ["eu-gdpr:A6-1-a"]
    assert bases("ccpa") == ["cl:OptOut"]
    assert bases("gdpr", "ccpa", "us-co") == ["cl:OptOut", "eu-gdpr:A6-1-a"]


def test_every_term_is_one_of_dpv_or_declared_ours() -> None:
    known = {
        f"{prefix}:{term}"
        for prefix, tables in TABLES.items()
        for table in tables.split()
        for term in shared_column(f"dpv/{prefix}-2.3-{table}.csv", "term")
    }
    known |= set(_terms(shared_json("receipts/dpv27560_receipt_corrected.json")))
    elsewhere = set[str]()
    for position in (GRANT, DENIAL, WITHDRAWAL, WITHDRAWAL_OF_ALL, OBJECTION):
        document = iso27560.receipt(golden_source(position, ADA, controller()), NOW)
        used = set(_terms(document))
        elsewhere |= {term for term in used - known if term.startswith(("dpv:", "eu-gdpr:"))}
        prefixes = {term.partition(":")[0] for term in used} - {"urn", "https"}
        assert prefixes <= document["@context"].keys()
    assert elsewhere == ELSEWHERE


def _terms(value: Any) -> list[str]:
    """All names of a JSON-LD document that a processor would expand: keys, types and ids."""
    if isinstance(value, list):
        return [term for item in value for term in _terms(item)]
    if not isinstance(value, dict):
        return []
    types = value.get("@type", [])
    named = [*(types if isinstance(types, list) else [types]), *([value["@id"]] if "@id" in value else [])]
    keys = [key for key in value if not key.startswith("@")]
    return [*named, *keys, *(term for key in keys for term in _terms(value[key]))]


def test_parts_that_do_not_belong_to_the_event_are_refused() -> None:
    assert refused(tenant=ev.Tenant(id="other"))[0] == "tenant"
    assert refused(purposes=[])[0] == refused(purposes=[ev.Purpose(id="analytics.web")])[0] == "purposes"
    assert refused(purposes=[*golden_source(GRANT).purposes, ev.Purpose(id="analytics.web")])[0] == "purposes"
    assert refused(notice=None)[0] == refused(notice=ev.Notice(version="m-2"))[0] == "notice"


@pytest.mark.parametrize("position", [1, 3, 6, 13, 18])
def test_an_event_that_is_no_act_of_choice_is_refused(position: int) -> None:
    leaves = [entry.leaf for entry in stored("consent")[0]][:TREE]
    assert refused(receipt=receipt_of(leaves, position))[0] == "position"


def test_a_leaf_of_another_format_is_refused() -> None:
    strange = ev.LedgerEntry(format=2).SerializeToString()
    for leaf in (strange, b"\xff"):
        assert refused(receipt=receipt_of([leaf, b""], 1))[0] == "leaf"


def test_a_document_is_made_only_of_a_proof_that_holds() -> None:
    def spoiled(**changes: Any) -> ty.Receipt:
        receipt = ty.Receipt()
        receipt.CopyFrom(golden_source(GRANT).receipt)
        for name, value in changes.items():
            setattr(receipt, name, value)
        return receipt

    good = golden_source(GRANT).receipt
    other = golden_source(RENEWED).receipt
    for receipt in (
        spoiled(position=GRANT + 1),
        spoiled(leaf=other.leaf),
        spoiled(tlog_proof=other.tlog_proof),
        spoiled(tlog_proof=good.tlog_proof[:-2]),
        spoiled(tlog_proof=b""),
        spoiled(vkey=""),
        spoiled(vkey=good.vkey.replace("ledger.example", "other.example")),
    ):
        assert refused(receipt=receipt)[0] == "receipt"


def test_making_documents_asks_no_clock_and_draws_no_chance() -> None:
    sources = [one for one in product() if one.path.startswith("consentledger/receipts/")]
    assert len(sources) > 10
    assert [breach for one in sources for breach in rules.clock_or_chance(one)] == []
