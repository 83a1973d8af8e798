"""The processing that an act is about, one `dpv:Process` for each purpose, and the parties in it. Pure.

- A category of data that is an IRI stands under `skos:broader`; any other only as a title, which no machine compares.
- What the controller did not tell is left out, never made up: `completeness` says what is then missing.
"""

from collections.abc import Iterator
from typing import Any

from consentledger.receipts.act import EVERY_PURPOSE
from consentledger.receipts.controller import Party
from consentledger.receipts.source import Source
from consentledger.receipts.vocabulary import OBJECTED, basis_term, compact, own_name, reference
from consentledger.v1 import events_pb2 as events

Node = dict[str, Any]


def processes(source: Source) -> list[Node]:
    """One for each purpose; a single one for an act that is for every purpose."""
    if not source.purposes:
        purpose = {"@type": "dpv:Purpose", "dct:identifier": EVERY_PURPOSE, "dct:title": "Every purpose"}
        return [{"@type": "dpv:Process", "dpv:hasPurpose": purpose}]
    return [_process(source, purpose) for purpose in source.purposes]


def controller_iri(source: Source) -> str:
    """The controller's own IRI, else one made of the tenant's id."""
    return source.controller.party.iri or own_name("tenant", source.tenant.id)


def entities(source: Source) -> list[Node]:
    """The controller first, then recipients, then the authority."""
    told = source.controller
    name = told.party.name or source.tenant.display_name or source.tenant.id
    found = [_entity(told.party, "dpv:DataController", controller_iri(source), name)]
    if source.tenant.default_jurisdiction:
        found[0]["dpv:hasJurisdiction"] = reference(f"loc:{source.tenant.default_jurisdiction}")
    found += [_entity(party, "dpv:Recipient", party.iri, party.name) for party in told.recipients or ()]
    if told.authority:
        found.append(_entity(told.authority, "dpv:Authority", told.authority.iri, told.authority.name))
    return found


def objected(source: Source) -> list[str]:
    """The terms of an objection's state: ours, and DPV's for the bases that were objected to."""
    bases = {basis.basis for purpose in source.purposes for basis in purpose.bases if basis.regime in source.regimes}
    return ["cl:Objected", *sorted(OBJECTED[basis] for basis in bases if basis in OBJECTED)]


def _process(source: Source, purpose: events.Purpose) -> Node:
    node: Node = {"@type": "dpv:Process", "dpv:hasPurpose": _purpose(source, purpose)}
    data = [_personal_data(category, purpose.special_category) for category in purpose.data_categories]
    bases = {
        basis_term(basis.regime, basis.basis, purpose.special_category)
        for basis in purpose.bases
        if basis.regime in source.regimes
    }
    node["dpv:hasPersonalData"] = data
    node["dpv:hasLegalBasis"] = [reference(term) for term in sorted(bases - {""})]
    node["dpv:hasRecipient"] = _recipients(source)
    node["dpv:hasStorageCondition"] = list(_storage(source, purpose))
    return {key: value for key, value in node.items() if value}


def _purpose(source: Source, purpose: events.Purpose) -> Node:
    node: Node = {
        "@id": own_name("purpose", source.tenant.id, purpose.id),
        "@type": "dpv:Purpose",
        "dct:identifier": purpose.id,
        "dct:title": purpose.title,
        "dct:description": purpose.description,
        "dct:hasVersion": str(purpose.version),
    }
    if purpose.dpv_iri:
        node["skos:broader"] = reference(compact(purpose.dpv_iri))
    return {key: value for key, value in node.items() if value}


def _personal_data(category: str, special: bool) -> Node:
    node: Node = {"@type": "dpv:SpecialCategoryPersonalData" if special else "dpv:PersonalData"}
    if "://" in category:
        return node | {"skos:broader": reference(compact(category))}
    return node | {"dct:title": category}


def _recipients(source: Source) -> list[Node]:
    if source.controller.recipients is None:
        return []
    return [reference(iri) for iri in (controller_iri(source), *(party.iri for party in source.controller.recipients))]


def _storage(source: Source, purpose: events.Purpose) -> Iterator[Node]:
    places = [reference(f"loc:{place}") for place in source.controller.storage_locations]
    if places:
        yield {"@type": "dpv:StorageLocation", "dpv:hasLocation": places}
    if purpose.retention:
        yield {"@type": "dpv:StorageDuration", "dpv:hasDuration": purpose.retention}


def _entity(party: Party, role: str, iri: str, name: str) -> Node:
    contact = {
        "@type": "schema:ContactPoint",
        "schema:contactType": party.contact,
        "schema:email": party.email,
        "schema:telephone": party.phone,
    }
    node: Node = {"@id": iri, "@type": role, "dpv:hasName": name, "dpv:hasIdentifier": iri}
    if party.contact or party.email or party.phone:
        node["schema:contactPoint"] = {key: value for key, value in contact.items() if value}
    if party.address:
        parts = {f"schema:{key}": value for key, value in party.address.items()}
        node["schema:address"] = {"@type": "schema:PostalAddress", **parts}
    return node | ({"schema:url": party.url} if party.url else {})
