"""Kantara v1.1: a grant and nothing else, with every field that the format asks for, or no receipt at all."""

from typing import Any

import pytest

from consentledger.errors import LedgerError
from consentledger.receipts import kantara
from consentledger.v1 import events_pb2 as ev
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
from tests.support.receipts import controller
from tests.support.schemas import errors

NEEDED = ("address", "contact", "email", "phone", "policyUrl", "recipients", "service", "withdrawAt")


def test_a_grant_keeps_what_the_format_knows() -> None:
    receipt = kantara.receipt(golden_source(GRANT, ADA, controller()))
    assert (receipt["version"], receipt["jurisdiction"], receipt["language"]) == ("KI-CR-v1.1.0", "DE-BY", "de-AT")
    assert (receipt["collectionMethod"], receipt["consentTimestamp"]) == ("signed-form", 1_767_225_600)
    assert receipt["piiPrincipalId"] == "email:ada@example.org"
    [service] = receipt["services"]
    [purpose] = service["purposes"]
    assert (purpose["purposeCategory"], purpose["consentType"]) == (["DirectMarketing"], "EXPLICIT")
    assert (receipt["sensitive"], receipt["spiCat"]) == (True, ["email-address", "name"])


def test_what_the_format_does_not_know_is_in_the_extension() -> None:
    source = golden_source(GRANT, told=controller())
    extension = kantara.receipt(source)["consentLedger"]
    entry = ev.LedgerEntry.FromString(source.receipt.leaf)
    grant = entry.header.consent_recorded
    assert extension["occurredAt"] == entry.occurred_at.ToJsonString()
    assert extension["recordedAt"] == entry.recorded_at.ToJsonString()
    assert extension["expiresAt"] == grant.expires_at.ToJsonString()
    assert (extension["noticeVersion"], extension["explicit"]) == (grant.notice_version, True)


def test_a_grant_that_was_not_marked_explicit_is_not_called_implicit() -> None:
    receipt = kantara.receipt(golden_source(RENEWED, told=controller()))
    assert receipt["services"][0]["purposes"][0]["consentType"] == "EXPRESSED"
    assert errors("kantara", receipt) == []


def test_the_person_is_not_named_unless_asked_for() -> None:
    source = golden_source(GRANT, told=controller())
    assert kantara.receipt(source)["piiPrincipalId"] == source.pseudonym


def test_an_act_of_no_place_is_of_the_tenants() -> None:
    assert kantara.receipt(golden_source(RENEWED, told=controller()))["jurisdiction"] == "AT"


@pytest.mark.parametrize("position", [DENIAL, WITHDRAWAL, WITHDRAWAL_OF_ALL, OBJECTION])
def test_what_is_no_grant_gets_no_receipt(position: int) -> None:
    with pytest.raises(LedgerError) as refusal:
        kantara.receipt(golden_source(position, told=controller()))
    assert refusal.value.metadata["field"] == "position"


@pytest.mark.parametrize("key", NEEDED)
def test_a_mandatory_field_that_nobody_told_is_named(key: str) -> None:
    with pytest.raises(LedgerError) as refusal:
        kantara.receipt(golden_source(GRANT, told=controller(**{key: None})))
    assert refusal.value.metadata["field"] == key


@pytest.mark.parametrize("key", ["iri", "name", "url", "authority", "rightsAt", "storageLocations"])
def test_what_is_not_mandatory_may_be_left_out(key: str) -> None:
    changes: dict[str, Any] = {key: None}
    assert errors("kantara", kantara.receipt(golden_source(GRANT, told=controller(**changes)))) == []


def test_without_other_recipients_nothing_is_disclosed() -> None:
    receipt = kantara.receipt(golden_source(GRANT, told=controller(recipients=[])))
    [purpose] = receipt["services"][0]["purposes"]
    assert purpose["thirdPartyDisclosure"] is False and "thirdPartyName" not in purpose
    assert errors("kantara", receipt) == []
