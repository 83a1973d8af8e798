"""What only the controller can say of itself: address, contact, recipients, where to withdraw. Pure.

The ledger holds none of it, yet ISO/IEC TS 27560 and Kantara make most of it mandatory. It comes as one JSON document
of the controller's (`data/controller.schema.json`); what it does not say, a receipt does not say either.

- An unknown key, an empty text, another type or form is refused by its name, never by its value.
- `recipients` absent is "not told"; an empty list is "none but the controller".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from consentledger.errors import invalid

_FORMS = {
    "iri": (re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+"), "an IRI"),
    "storageLocations": (re.compile(r"[A-Z]{2}(?:-[A-Z0-9]{1,3})?"), "ISO 3166-1 or 3166-2, or EU"),
} | dict.fromkeys(("url", "policyUrl", "withdrawAt", "rightsAt"), (re.compile(r"https?://\S+"), "an http or https URL"))
_ADDRESS = frozenset({"streetAddress", "postalCode", "addressLocality", "addressRegion", "addressCountry"})
_PARTY = frozenset({"iri", "name", "address", "contact", "email", "phone", "url"})
_OWN = frozenset({"policyUrl", "withdrawAt", "rightsAt", "storageLocations", "recipients", "authority", "service"})


@dataclass(frozen=True, slots=True)
class Party:
    """An organisation, as it wants to be named to people."""

    iri: str = ""
    name: str = ""
    address: Mapping[str, str] = field(default_factory=dict)
    """Properties of a schema.org PostalAddress."""
    contact: str = ""
    """A person or an office: "Data Protection Officer"."""
    email: str = ""
    phone: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Controller:
    """The controller, and how people reach what they are entitled to."""

    party: Party = Party()
    policy_url: str = ""
    """The privacy policy."""
    withdraw_at: str = ""
    """Where consent is taken back."""
    rights_at: str = ""
    """Where rights are exercised."""
    storage_locations: tuple[str, ...] = ()
    """ISO 3166-1 or 3166-2, or "EU"."""
    recipients: tuple[Party, ...] | None = None
    """Who else receives the data; None when not told."""
    authority: Party | None = None
    """The supervisory authority."""
    service: str = ""
    """What it is that people use."""


def controller_of(document: object) -> Controller:
    """The controller of a JSON document. Raises INVALID_FIELD."""
    told = _object("controller", document, _PARTY | _OWN)
    recipients = told.get("recipients")
    return Controller(
        party=_party("controller", {key: value for key, value in told.items() if key in _PARTY}),
        policy_url=_text(told, "policyUrl"),
        withdraw_at=_text(told, "withdrawAt"),
        rights_at=_text(told, "rightsAt"),
        storage_locations=tuple(_places(told.get("storageLocations", []))),
        recipients=None if recipients is None else tuple(_named("recipients", one) for one in _list(recipients)),
        authority=_named("authority", told["authority"]) if "authority" in told else None,
        service=_text(told, "service"),
    )


def _named(what: str, value: object) -> Party:
    party = _party(what, _object(what, value, _PARTY))
    if not (party.iri and party.name):
        raise invalid(what, "each with iri and name")
    return party


def _party(what: str, told: Mapping[str, Any]) -> Party:
    address = _object(f"{what}.address", told.get("address", {}), _ADDRESS)
    texts = {key: _text(told, key) for key in _PARTY if key != "address"}
    return Party(address={key: _text(address, key) for key in sorted(address)}, **texts)


def _object(what: str, value: object, keys: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not keys.issuperset(value):
        raise invalid(what, "an object with keys of " + ", ".join(sorted(keys)))
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise invalid("recipients", "a list")
    return value


def _places(value: object) -> list[str]:
    if not isinstance(value, list):
        raise invalid("storageLocations", "a list")
    return [_text({"storageLocations": place}, "storageLocations") for place in value]


def _text(told: Mapping[str, Any], key: str) -> str:
    """The text under a key, in the form that the key asks for; empty when it is left out."""
    if key not in told:
        return ""
    value = told[key]
    if not isinstance(value, str) or not value.strip():
        raise invalid(key, "a text, or left out")
    form, rule = _FORMS.get(key, (None, ""))
    if form is not None and not form.fullmatch(value):
        raise invalid(key, rule)
    return value
