"""What a controller tells of itself is read as its schema says, and refused by name, never by value."""

import json
import re
from typing import Any

import pytest

from consentledger.errors import LedgerError
from consentledger.receipts.controller import Controller, controller_of
from tests.architecture.sources import ROOT
from tests.support.receipts import CONTROLLER
from tests.support.schemas import changed, errors

SECRET = "the secret value"


def test_what_is_told_is_kept() -> None:
    told = controller_of(CONTROLLER)
    assert (told.party.name, told.party.contact, told.service) == ("The shop", "Data Protection Officer", "The shop")
    assert told.party.address["addressCountry"] == "DE"
    assert told.withdraw_at == "https://shop.example/choices" and told.storage_locations == ("DE", "EU")
    assert told.recipients is not None and [party.name for party in told.recipients] == ["The mailer"]
    assert told.authority is not None and told.authority.iri == "https://authority.example/"


def test_nothing_told_is_a_controller_too_and_no_recipients_is_not_the_same() -> None:
    assert controller_of({}) == Controller()
    assert controller_of({"recipients": []}).recipients == ()


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ((SECRET,), "x", "controller"),
        (("name",), "", "name"),
        (("name",), " ", "name"),
        (("name",), 7, "name"),
        (("iri",), SECRET, "iri"),
        (("url",), "ftp://shop.example", "url"),
        (("policyUrl",), SECRET, "policyUrl"),
        (("withdrawAt",), SECRET, "withdrawAt"),
        (("rightsAt",), "shop.example/rights", "rightsAt"),
        (("address",), SECRET, "controller.address"),
        (("address", "planet"), SECRET, "controller.address"),
        (("address", "postalCode"), 10115, "postalCode"),
        (("storageLocations",), "DE", "storageLocations"),
        (("storageLocations", 0), SECRET, "storageLocations"),
        (("recipients",), SECRET, "recipients"),
        (("recipients", 0), SECRET, "recipients"),
        (("recipients", 0, "iri"), ..., "recipients"),
        (("recipients", 0, "name"), ..., "recipients"),
        (("recipients", 0, "policyUrl"), "https://mailer.example/p", "recipients"),
        (("authority",), None, "authority"),
        (("authority", "name"), ..., "authority"),
    ],
)
def test_what_the_schema_refuses_is_refused_without_its_value(path: tuple[Any, ...], value: Any, field: str) -> None:
    document = changed(CONTROLLER, path, value)
    assert errors("controller", document)
    with pytest.raises(LedgerError) as refusal:
        controller_of(document)
    assert refusal.value.metadata["field"] == field
    assert SECRET not in str(refusal.value.metadata)


@pytest.mark.parametrize("document", [None, [], "text"])
def test_what_is_no_object_is_refused(document: Any) -> None:
    with pytest.raises(LedgerError):
        controller_of(document)


def test_the_example_of_the_documentation_is_read() -> None:
    [example] = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "receipts.md").read_text("utf-8"), re.DOTALL)
    document = json.loads(example)
    assert errors("controller", document) == []
    assert controller_of(document) == controller_of(CONTROLLER | {"storageLocations": ["DE"]})
