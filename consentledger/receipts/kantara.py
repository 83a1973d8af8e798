"""Consent receipts after the Kantara Consent Receipt Specification v1.1, the ancestor of ISO/IEC TS 27560. Pure.

An export format only, for whoever reads nothing newer. The proof travels in the extension `consentLedger`, which the
specification does not know.

What it cannot say, and therefore is not said or is refused:

- A denial, a withdrawal, an objection: a reader would take the document for a consent, so none is made.
- Times finer than a second, the exact notice, an end of the consent: the extension has them.
- "Not told": every field but a few is mandatory. Where the controller did not tell one, none is made.
- A grant that was not marked explicit is still an act of the person; `IMPLICIT` would be wrong. It is `EXPRESSED`.
"""

from typing import Any

from consentledger.errors import invalid
from consentledger.receipts import proof
from consentledger.receipts.act import Kind, ProvenAct
from consentledger.receipts.iso27560 import record_id
from consentledger.receipts.source import Source
from consentledger.v1 import events_pb2 as events

VERSION = "KI-CR-v1.1.0"

Document = dict[str, Any]


def receipt(source: Source) -> Document:
    """The receipt of one grant. Raises INVALID_FIELD naming what the format needs and nobody told."""
    act, told = source.act, source.controller
    if act.kind is not Kind.GRANT:
        raise invalid("position", "a grant: Kantara receipts can say nothing else")
    special = any(purpose.special_category for purpose in source.purposes)
    document: Document = {
        "version": VERSION,
        "jurisdiction": _needed("jurisdiction", source.jurisdiction),
        "consentTimestamp": act.happened_at.seconds,
        "collectionMethod": act.common.method or "not recorded",
        "consentReceiptID": str(record_id(source.receipt.leaf)),
        "language": act.common.language or (source.notice.language if source.notice else ""),
        "piiPrincipalId": f"{source.subject.namespace}:{source.subject.id}" if source.subject else source.pseudonym,
        "piiControllers": [_controller(source)],
        "policyUrl": _needed("policyUrl", told.policy_url),
        "services": [
            {
                "service": _needed("service", told.service),
                "purposes": [_purpose(source, purpose) for purpose in source.purposes],
            }
        ],
        "sensitive": special,
        "spiCat": sorted({name for purpose in source.purposes if special for name in _categories(purpose)}),
        proof.EXTENSION: _extension(source),
    }
    return {key: value for key, value in document.items() if value != ""}


def _controller(source: Source) -> Document:
    party = source.controller.party
    document: Document = {
        "piiController": party.name or source.tenant.display_name or source.tenant.id,
        "contact": _needed("contact", party.contact),
        "address": _needed("address", dict(party.address)),
        "email": _needed("email", party.email),
        "phone": _needed("phone", party.phone),
        "piiControllerUrl": party.url,
    }
    return {key: value for key, value in document.items() if value}


def _purpose(source: Source, purpose: events.Purpose) -> Document:
    told = source.controller
    if told.recipients is None:
        raise invalid("recipients", "told by the controller, if only as an empty list")
    document: Document = {
        "purpose": purpose.description or purpose.title or purpose.id,
        "purposeCategory": [_last(purpose.dpv_iri) or purpose.id],
        "consentType": "EXPLICIT" if source.act.explicit else "EXPRESSED",
        "piiCategory": _needed("data_categories", _categories(purpose)),
        "termination": _needed("withdrawAt", told.withdraw_at),
        "thirdPartyDisclosure": bool(told.recipients),
    }
    if told.recipients:
        document["thirdPartyName"] = ", ".join(party.name for party in told.recipients)
    return document


def leaf_part(act: ProvenAct) -> Document:
    """What the extension says that the leaf says too."""
    document: Document = {
        "tenant": act.tenant,
        "purposes": list(act.purposes),
        "occurredAt": act.happened_at.ToJsonString(),
        "recordedAt": act.recorded_at.ToJsonString(),
        "expiresAt": act.expires_at.ToJsonString() if act.expires_at else "",
        "noticeVersion": act.notice_version,
        "explicit": act.explicit,
    }
    return {key: value for key, value in document.items() if value != ""}


def _extension(source: Source) -> Document:
    notice = {"noticeSha256": source.notice.text_sha256.hex()} if source.notice else {}
    return {**leaf_part(source.act), **notice, "proof": proof.plain(source.receipt)}


def _categories(purpose: events.Purpose) -> list[str]:
    return [_last(category) for category in purpose.data_categories]


def _last(iri: str) -> str:
    """The name at the end of an IRI; a token as it is."""
    return iri.rstrip("/").rpartition("#")[2].rpartition("/")[2]


def _needed(field: str, value: Any) -> Any:
    if not value:
        raise invalid(field, "not told, but mandatory in Kantara v1.1")
    return value
