"""Consent records and receipts after ISO/IEC TS 27560:2023, in the JSON-LD of the W3C DPV guide (DPV 2.3). Pure.

A record is one act with its proof inside; a receipt is a record that is handed out. What reads them back is
`consentledger.cli.import_records`.

- The person is a pseudonym unless the source names a subject.
- A grant is `ConsentGiven`, expressed or explicitly expressed; a denial `ConsentRefused`; a withdrawal
  `ConsentWithdrawn`. An objection is no consent: it is a `RightExerciseRecord` of GDPR Art. 21, with a status of ours.
- The jurisdiction is the act's; a tenant's default stands with the controller (the guide allows both).
- A profile of DPV's is claimed only by a record that has all its mandatory fields (see `completeness`).
- Ids are made of the leaf and, for a receipt, of proof and time of issue: the same input gives the same document.
"""

import uuid
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from consentledger.errors import invalid
from consentledger.receipts import proof
from consentledger.receipts.act import Kind
from consentledger.receipts.completeness import receipt_profile, record_profile
from consentledger.receipts.process import controller_iri, entities, objected, processes
from consentledger.receipts.source import Source
from consentledger.receipts.vocabulary import CONTEXT, GDPR, GDPR_LAW, own_name, reference
from consentledger.v1 import types_pb2 as types

Document = dict[str, Any]

_RECORD_IDS = uuid.UUID("0d7b5f0e-2c0a-5f6e-9a53-5b1a56027560")
_RECEIPT_IDS = uuid.UUID("8e1f4c1a-93b6-5d0c-8c2e-1f4a56027560")
_STATES = {Kind.GRANT: "dpv:ConsentGiven", Kind.DENY: "dpv:ConsentRefused", Kind.WITHDRAW: "dpv:ConsentWithdrawn"}
_AGE_BANDS = {types.AGE_BAND_ADULT: "adult", types.AGE_BAND_MINOR: "minor"}


def record(source: Source) -> Document:
    """The record of one act, proof included."""
    return {"@context": dict(CONTEXT), **_record(source)}


def receipt(source: Source, issued_at: datetime) -> Document:
    """A receipt with the whole record in it. `issued_at` carries an offset. Raises INVALID_FIELD without."""
    if issued_at.tzinfo is None:
        raise invalid("issued_at", "a time with an offset")
    inner = _record(source)
    when = issued_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    issued = [sha256(source.receipt.leaf).hexdigest(), sha256(source.receipt.tlog_proof).hexdigest(), when]
    receipt_id = uuid.uuid5(_RECEIPT_IDS, "\n".join(issued))
    objection = source.act.kind is Kind.OBJECT
    return {
        "@context": dict(CONTEXT),
        "@id": receipt_id.urn,
        "@type": "cl:ObjectionReceipt" if objection else "dpv:ConsentReceipt",
        "dpv:hasIdentifier": str(receipt_id),
        "dct:conformsTo": receipt_profile(inner["dct:conformsTo"]),
        "dct:created": when,
        "dct:publisher": reference(controller_iri(source)),
        "dpv:hasRecordOfActivity": [inner],
    }


def record_id(leaf: bytes) -> uuid.UUID:
    """The id of the record of a leaf: always the same, and of no use to guess what is in it."""
    return uuid.uuid5(_RECORD_IDS, sha256(leaf).hexdigest())


def _record(source: Source) -> Document:
    act, told = source.act, source.controller
    id_ = record_id(source.receipt.leaf)
    objection = act.kind is Kind.OBJECT
    parts: Document = {
        "@id": id_.urn,
        "@type": "dpv:RightExerciseRecord" if objection else "dpv:ConsentRecord",
        "dct:identifier": str(id_),
        "dct:conformsTo": "",
        "dct:created": act.recorded_at.ToJsonString(),
        "dpv:hasDataSubject": _subject(source),
        "dpv:hasDataController": reference(controller_iri(source)),
        "dpv:hasJurisdiction": reference(f"loc:{act.common.jurisdiction}") if act.common.jurisdiction else None,
        "dpv:hasApplicableLaw": reference(GDPR_LAW) if GDPR in source.regimes else None,
        "dpv:hasProcess": processes(source),
        "dpv:hasEntity": entities(source),
        "dpv:hasAuthority": reference(told.authority.iri) if told.authority else None,
        "dpv:hasConsentControl": _control(source),
        "dpv:hasRight": _rights(source),
        "dpv:hasNotice": _notices(source),
        "dpv:hasStatus" if objection else "dpv:hasConsentStatus": [_status(source)],
        "cl:proof": proof.linked(source.receipt),
    }
    found = {key: value for key, value in parts.items() if value not in (None, [])}
    return found | {"dct:conformsTo": record_profile(found)}


def _subject(source: Source) -> Document:
    node = {"@id": source.pseudonym, "@type": "dpv:DataSubject"}
    if source.subject is not None:
        node["dct:identifier"] = f"{source.subject.namespace}:{source.subject.id}"
    return node


def _control(source: Source) -> Document | None:
    if not source.controller.withdraw_at or source.act.kind is Kind.OBJECT:
        return None
    return {"@type": ["dpv:WithdrawConsent"], "dpv:isExercisedAt": source.controller.withdraw_at}


def _rights(source: Source) -> list[Document]:
    exercised_at = source.controller.rights_at
    if not exercised_at and source.act.kind is not Kind.OBJECT:
        return []
    terms, title = ["dpv:DataSubjectRight"], "Rights of the data subject"
    if source.act.kind is Kind.OBJECT:
        terms, title = [*terms, "eu-gdpr:A21"], "Right to object"
    elif GDPR in source.regimes:
        terms, title = [*terms, "eu-gdpr:A7-3"], "Right to withdraw consent"
    node: Document = {"@type": terms, "dct:title": title, "dpv:isExercisedAt": exercised_at}
    return [{key: value for key, value in node.items() if value}]


def _notices(source: Source) -> list[Document]:
    version, notice = source.act.notice_version, source.notice
    if not version:
        return []
    iri = own_name("notice", source.tenant.id, version)
    node: Document = {"@id": iri, "@type": "dpv:ConsentNotice", "dct:identifier": version}
    if notice is not None:
        node["dct:isVersionOf"] = reference(own_name("notice-id", source.tenant.id, notice.id))
        node["dct:date"] = notice.published_at.ToJsonString()[:10] if notice.HasField("published_at") else ""
        node["dct:language"] = notice.language
        node["cl:textSha256"] = notice.text_sha256.hex()
    return [{key: value for key, value in node.items() if value}]


def _status(source: Source) -> Document:
    act, common = source.act, source.act.common
    node: Document = {
        "@type": _terms(source),
        "dpv:isIndicatedBy": (
            {"@type": "dpv:GuardianOfDataSubject"} if common.guardian_method else reference(source.pseudonym)
        ),
        "dpv:hasIndicationMethod": common.method,
        "dpv:isIndicatedAtTime": act.happened_at.ToJsonString(),
        "dpv:hasDuration": {"@type": "dpv:EndlessDuration"},
        "dct:language": common.language,
        "cl:collector": common.collector,
        "cl:evidenceSha256": common.evidence_sha256.hex(),
        "cl:ageBand": _AGE_BANDS.get(common.age_band, ""),
        "cl:guardianMethod": common.guardian_method,
        "cl:imported": common.imported,
    }
    if act.expires_at is not None:
        node["dpv:hasDuration"] = {"@type": "dpv:UntilTimeDuration", "rdf:value": act.expires_at.ToJsonString()}
    return {key: value for key, value in node.items() if value}


def _terms(source: Source) -> list[str]:
    act = source.act
    if act.kind is Kind.OBJECT:
        return objected(source)
    if act.kind is Kind.WITHDRAW:
        return [_STATES[act.kind]]
    return [_STATES[act.kind], "dpv:ExplicitlyExpressedConsent" if act.explicit else "dpv:ExpressedConsent"]
