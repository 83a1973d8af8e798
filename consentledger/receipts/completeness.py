"""Whether a record has what ISO/IEC TS 27560 makes mandatory, and the profile that it may therefore claim. Pure.

No conformance suite exists for the DPV profiles; what counts as present is written here once, and in the JSON Schema
once more, and a test holds the two together.

- A record that lacks anything claims our own profile, never one of DPV's.
- The GDPR profile asks for more: legal basis, law, rights and, here, the supervisory authority.
- An objection is no consent: it never claims a profile for consent records.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from consentledger.receipts.vocabulary import PROFILES, own_name

OWN_RECORD = own_name("profile", "record")
OWN_RECEIPT = own_name("profile", "receipt")


def missing(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The mandatory fields that a record lacks, by their names in ISO/IEC TS 27560."""
    return tuple(dict.fromkeys(_missing(record)))


def missing_for_gdpr(record: Mapping[str, Any]) -> tuple[str, ...]:
    """What it lacks besides for the GDPR profile."""
    processes = record["dpv:hasProcess"]
    lacks = {
        "lawful_basis": not all("dpv:hasLegalBasis" in process for process in processes),
        "applicable law": "dpv:hasApplicableLaw" not in record,
        "privacy_rights": "dpv:hasRight" not in record,
        "authority_party": "dpv:hasAuthority" not in record,
    }
    return tuple(name for name, lacking in lacks.items() if lacking)


def record_profile(record: Mapping[str, Any]) -> str:
    """The profile that a record may claim."""
    if missing(record):
        return OWN_RECORD
    return PROFILES + ("record" if missing_for_gdpr(record) else "record-eu-gdpr")


def receipt_profile(record_claims: str) -> str:
    """The profile that a receipt with such a record may claim."""
    if record_claims == OWN_RECORD:
        return OWN_RECEIPT
    return record_claims.replace("#record", "#receipt")


def _missing(record: Mapping[str, Any]) -> Iterator[str]:
    notices = record.get("dpv:hasNotice", [])
    if not notices:
        yield "privacy_notice"
    if not notices or not all("dct:language" in notice for notice in notices):
        yield "language"
    for process in record["dpv:hasProcess"]:
        yield from _missing_in(process)
    if not any("dpv:hasJurisdiction" in node for node in (record, *record["dpv:hasEntity"])):
        yield "jurisdiction"
    if "dpv:hasConsentControl" not in record:
        yield "withdrawal_method"
    if "dpv:hasConsentStatus" not in record:
        yield "event_state"
    for entity in record["dpv:hasEntity"]:
        if "schema:address" not in entity:
            yield "party_address"
        if "schema:contactPoint" not in entity:
            yield "party_contact"


def _missing_in(process: Mapping[str, Any]) -> Iterator[str]:
    if not {"dct:title", "dct:description", "skos:broader"} & process["dpv:hasPurpose"].keys():
        yield "purpose"
    data = process.get("dpv:hasPersonalData", [])
    if not data:
        yield "pii_information"
    elif not any("skos:broader" in one for one in data):
        yield "pii_type"
    conditions = {condition["@type"] for condition in process.get("dpv:hasStorageCondition", [])}
    if "dpv:StorageLocation" not in conditions:
        yield "storage_locations"
    if "dpv:StorageDuration" not in conditions:
        yield "retention_period"
    if "dpv:hasRecipient" not in process:
        yield "recipient_third_parties"
