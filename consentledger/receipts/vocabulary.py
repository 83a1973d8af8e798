"""The words of our JSON-LD: prefixes, terms of the W3C Data Privacy Vocabulary 2.3, and our own. Pure.

- Our own terms and names stand under `urn:consentledger:v1:`, written `cl:`. There is a term of ours only where DPV has
  none.
- What is named in a document is named for ever the same: a controller, a purpose, a notice by the tenant and its id.
"""

from urllib.parse import quote

from consentledger.v1 import types_pb2 as types

OWN = "urn:consentledger:v1:"
CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "pd": "https://w3id.org/dpv/pd#",
    "loc": "https://w3id.org/dpv/loc#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "dct": "http://purl.org/dc/terms/",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "cl": OWN,
}

PROFILES = "https://w3id.org/dpv/schema/dpv-27560#"
GDPR = "gdpr"
"""The regime whose bases, rights and profile DPV names."""
GDPR_LAW = "https://w3id.org/dpv/legal/eu#law-GDPR"

_GDPR_BASES = {
    types.LEGAL_BASIS_CONSENT: "eu-gdpr:A6-1-a",
    types.LEGAL_BASIS_EXPLICIT_CONSENT: "eu-gdpr:A6-1-a-explicit-consent",
    types.LEGAL_BASIS_LEGITIMATE_INTEREST: "eu-gdpr:A6-1-f",
    types.LEGAL_BASIS_CONTRACT: "eu-gdpr:A6-1-b",
    types.LEGAL_BASIS_LEGAL_OBLIGATION: "eu-gdpr:A6-1-c",
    types.LEGAL_BASIS_VITAL_INTEREST: "eu-gdpr:A6-1-d",
    types.LEGAL_BASIS_PUBLIC_TASK: "eu-gdpr:A6-1-e",
}
_OTHER_BASES = {
    types.LEGAL_BASIS_CONSENT: "dpv:Consent",
    types.LEGAL_BASIS_EXPLICIT_CONSENT: "dpv:ExplicitlyExpressedConsent",
    types.LEGAL_BASIS_LEGITIMATE_INTEREST: "dpv:LegitimateInterest",
    types.LEGAL_BASIS_CONTRACT: "dpv:Contract",
    types.LEGAL_BASIS_LEGAL_OBLIGATION: "dpv:LegalObligation",
    types.LEGAL_BASIS_VITAL_INTEREST: "dpv:VitalInterest",
    types.LEGAL_BASIS_PUBLIC_TASK: "dpv:PublicInterest",
    # DPV has no basis that stands until somebody opts out.
    types.LEGAL_BASIS_OPT_OUT: "cl:OptOut",
}
OBJECTED = {
    types.LEGAL_BASIS_LEGITIMATE_INTEREST: "dpv:LegitimateInterestObjected",
    types.LEGAL_BASIS_PUBLIC_TASK: "dpv:PublicInterestObjected",
}
"""The state of a basis after an objection, where DPV has one."""


def basis_term(regime: str, basis: types.LegalBasis, special_category: bool) -> str:
    """The term of a legal basis under a regime; empty for one that is not known here."""
    if regime != GDPR:
        return _OTHER_BASES.get(basis, "")
    if basis == types.LEGAL_BASIS_EXPLICIT_CONSENT and special_category:
        return "eu-gdpr:A9-2-a"
    return _GDPR_BASES.get(basis) or _OTHER_BASES.get(basis, "")


def compact(iri: str) -> str:
    """The IRI with its prefix, if the context has one for it."""
    for prefix, namespace in CONTEXT.items():
        if iri.startswith(namespace) and len(iri) > len(namespace):
            return f"{prefix}:{iri.removeprefix(namespace)}"
    return iri


def own_name(kind: str, *parts: str) -> str:
    """The IRI of something of ours: `own_name("notice", "acme", "m-1")`."""
    return OWN + ":".join(quote(part, safe="") for part in (kind, *parts))


def reference(term: str) -> dict[str, str]:
    """A node that is only named."""
    return {"@id": term}
