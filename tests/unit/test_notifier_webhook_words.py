"""What a webhook says and what its receiver may answer; and where its secrets come from."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentledger.client.obligation import Obligation
from consentledger.webhook import signing
from consentledger.webhook.signing import PublicKey, SharedSecret
from services.notifier.domain.obligation import Evidence, Step
from services.notifier.webhooks.keys import WebhookKeys
from services.notifier.webhooks.payload import TooLarge, body_of
from services.notifier.webhooks.reply import RECEIVED, told

OBLIGATION = Obligation(
    "6f1c0d0e-0000-4000-8000-000000000001", "acme", "shop", 7, ("a", "b"), "email", ("ada@example.org",), False,
    "consent.withdrawn.v1", 1_700_000_000_000_001, 1_700_000_060_000_000,
)  # fmt: skip


def test_a_body_is_type_timestamp_and_data() -> None:
    body = body_of(OBLIGATION, 20_000)
    assert b" " not in body
    assert json.loads(body) == {
        "type": "consent.withdrawn.v1",
        "timestamp": "2023-11-14T22:13:20.000001Z",
        "data": {
            "obligation": "6f1c0d0e-0000-4000-8000-000000000001",
            "tenant": "acme",
            "downstream": "shop",
            "ledger_position": 7,
            "purposes": ["a", "b"],
            "namespace": "email",
            "ids": ["ada@example.org"],
            "catalogue": False,
            "event_type": "consent.withdrawn.v1",
            "revoked_at": "2023-11-14T22:13:20.000001Z",
            "due_at": "2023-11-14T22:14:20.000000Z",
        },
    }


def test_purposes_that_are_too_many_become_all_of_them() -> None:
    many = replace(OBLIGATION, purposes=tuple(f"purpose-{n:04}" for n in range(2000)))
    assert json.loads(body_of(many, 20_000))["data"]["purposes"] == ["*"]
    few = replace(OBLIGATION, purposes=tuple(f"purpose-{n:04}" for n in range(1000)))
    assert json.loads(body_of(few, 20_000))["data"]["purposes"] == list(few.purposes)


def test_identifiers_are_never_left_out() -> None:
    many = replace(OBLIGATION, ids=tuple(f"{'x' * 500}{n}" for n in range(50)))
    with pytest.raises(TooLarge) as refusal:
        body_of(many, 20_000)
    assert "xx" not in str(refusal.value)


def test_an_outcome_with_its_evidence_is_read() -> None:
    said = {
        "outcome": "enforced",
        "method": "deleted",
        "records_affected": 3,
        "enforced_at": "2023-11-14T23:13:20+01:00",
    }
    assert told(json.dumps(said).encode()) == (Step.ENFORCED, Evidence(1_700_000_000_000_000, "deleted", 3))
    assert told(b'{"outcome":"enforced","method":"deleted"}') == (Step.ENFORCED, Evidence(None, "deleted"))
    assert told(b'{"outcome":"failed","failure_reason":"locked"}') == (Step.FAILED, Evidence(failure_reason="locked"))
    assert told(b'{"outcome":"received","note":"x"}') == (Step.RECEIVED, Evidence())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"ok",
        b"\xff",
        b"null",
        b"[]",
        b'"enforced"',
        b"{}",
        b'{"outcome":"ENFORCED","method":"deleted"}',
        b'{"outcome":"done"}',
        b'{"outcome":["enforced"]}',
        b'{"outcome":{}}',
        b'{"outcome":"enforced"}',
        b'{"outcome":"enforced","method":""}',
        b'{"outcome":"enforced","method":"ada@example.org"}',
        b'{"outcome":"enforced","method":7}',
        b'{"outcome":"enforced","method":"deleted","records_affected":-1}',
        b'{"outcome":"enforced","method":"deleted","records_affected":true}',
        b'{"outcome":"enforced","method":"deleted","records_affected":1.5}',
        b'{"outcome":"enforced","method":"deleted","records_affected":18446744073709551615}',
        b'{"outcome":"enforced","method":"deleted","records_affected":1' + b"0" * 5000 + b"}",
        b'{"outcome":"enforced","method":"deleted","enforced_at":"yesterday"}',
        b'{"outcome":"enforced","method":"deleted","enforced_at":"2023-11-14T23:13:20"}',
        b'{"outcome":"enforced","method":"deleted","enforced_at":"9999-11-14T23:13:20Z"}',
        b'{"outcome":"enforced","method":"deleted","enforced_at":7}',
        b'{"outcome":"enforced","method":"\\ud800"}',
        b'{"outcome":"failed"}',
        b'{"outcome":"failed","failure_reason":"ada@example.org"}',
        b"[" * 60_000,
        b'{"a":' * 10_000,
    ],
)
def test_whatever_is_not_of_the_form_says_no_more_than_received(body: bytes) -> None:
    assert told(body) == RECEIVED


@given(st.binary() | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(
    lambda value: json.dumps({"outcome": "enforced", "method": value, "enforced_at": value}).encode()
))  # fmt: skip
def test_no_answer_is_too_strange_to_be_read(body: bytes) -> None:
    step, evidence = told(body)
    assert step is Step.RECEIVED or evidence.method


def test_secrets_are_the_same_for_ever_and_different_for_each() -> None:
    keys = WebhookKeys(bytes(range(32)))
    shown = keys.shown("acme", "shop", 1)
    # Fixed: another derivation would turn every receiver away at once.
    assert shown.secret == "whsec_8XmdSCHz9EkHAA4ne2/OIh2Il4WxCIhVs2CIPA1P0as="
    assert shown.public_key == "whpk_Y9Nk8buJe2F4Y5s51pZ4+0lMEBSDpS7Mh6P/Y72tnws="
    others = [("acme", "shop", 2), ("acme", "sho", 1), ("acm", "eshop", 1), ("acmes", "hop", 1)]
    found = [shown, *(keys.shown(*other) for other in others), WebhookKeys(bytes(32)).shown("acme", "shop", 1)]
    assert len({one.secret for one in found} | {one.public_key for one in found}) == 2 * len(found)


def test_what_is_shown_verifies_what_is_signed() -> None:
    keys = WebhookKeys(bytes(range(32)))
    signed = signing.headers(keys.signers("acme", "shop", (2, 1)), "id", 1_700_000_000, b"{}")
    assert len(signed["webhook-signature"].split(" ")) == 4
    for version in (1, 2):
        shown = keys.shown("acme", "shop", version)
        for key in (SharedSecret.read(shown.secret), PublicKey.read(shown.public_key)):
            signing.verify([key], signed, b"{}", 1_700_000_000)
