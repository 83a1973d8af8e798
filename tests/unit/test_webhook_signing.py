"""Standard Webhooks signatures: the standard's own values, its own library, and what must not be believed."""

import base64
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from consentledger.webhook import signing
from consentledger.webhook.signing import BadKey, NotAuthentic, PrivateKey, PublicKey, SharedSecret
from tests.support.shared_data import shared_json

SECRET = SharedSecret(bytes(range(32)))
PAIR = PrivateKey(bytes(range(32)))
ID, NOW, BODY = "msg_1", 1_700_000_000, b'{"test": 1}'


def vectors() -> dict[str, Any]:
    return dict(shared_json("webhooks/standard_webhooks.json"))


def test_hmac_signatures_are_those_of_the_standard() -> None:
    for vector in vectors()["hmac"]:
        secret = SharedSecret.read(vector["secret"])
        signed = signing.headers([secret], vector["msg_id"], vector["timestamp"], vector["payload"].encode())
        assert signed["webhook-signature"] == vector["signature"]
        assert secret.text() == vector["secret"]


def test_secrets_without_prefix_or_padding_are_read() -> None:
    for text in vectors()["unpadded_secrets_must_work"]:
        body = '{"test": 1}'
        signed = signing.headers([SharedSecret.read(text)], ID, int(time.time()), body.encode())
        assert Webhook(text).verify(body, signed) == {"test": 1}


def test_ed25519_signatures_are_those_of_the_vectors() -> None:
    for vector in vectors()["ed25519_ours"]:
        pair = PrivateKey(bytes.fromhex(vector["seed_hex"]))
        signed = signing.headers([pair], vector["msg_id"], vector["timestamp"], vector["payload"].encode())
        assert signed["webhook-signature"] == vector["signature"]
        assert pair.public().text() == vector["public"]
        signing.verify([PublicKey.read(vector["public"])], signed, vector["payload"].encode(), vector["timestamp"])


def test_ed25519_signatures_are_those_of_the_standards_go_library() -> None:
    # Its test TestAsymmetricWebhookSign.
    pair = PrivateKey.read("whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=")
    signed = signing.headers([pair], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    expected = "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
    assert signed["webhook-signature"] == expected


def test_the_standards_own_library_believes_what_we_sign_also_beside_other_signatures() -> None:
    old = SharedSecret(b"o" * 24)
    signed = signing.headers([SECRET, PAIR, old], ID, int(time.time()), BODY)
    for secret in (SECRET, old):
        assert Webhook(secret.text()).verify(BODY, signed) == {"test": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(SharedSecret(b"x" * 24).text()).verify(BODY, signed)


def test_we_believe_what_the_standards_own_library_signs() -> None:
    signature = Webhook(SECRET.text()).sign(ID, datetime.fromtimestamp(NOW, UTC), BODY.decode())
    signing.verify([SECRET], sent() | {"webhook-signature": signature}, BODY, NOW)


@pytest.mark.parametrize("key", [SECRET, PAIR.public()])
def test_either_key_verifies_a_message_that_carries_both_signatures(key: signing.Verifier) -> None:
    signing.verify([key], sent(), BODY, NOW)
    signing.verify([SharedSecret(b"x" * 24), key], {n.upper(): v for n, v in sent().items()}, BODY, NOW)


@pytest.mark.parametrize("off", [-300, 300])
def test_a_clock_five_minutes_off_still_believes(off: int) -> None:
    signing.verify([SECRET], sent(), BODY, NOW + off)


@pytest.mark.parametrize("off", [-301, 301, -(10**9), 10**9])
def test_a_clock_further_off_does_not(off: int) -> None:
    with pytest.raises(NotAuthentic):
        signing.verify([SECRET, PAIR.public()], sent(), BODY, NOW + off)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("webhook-id", "msg_2"),
        ("webhook-id", ""),
        ("webhook-timestamp", str(NOW + 1)),
        ("webhook-timestamp", f"{NOW}.0"),
        ("webhook-timestamp", f" {NOW}"),
        ("webhook-timestamp", f"+{NOW}"),
        ("webhook-timestamp", "9" * 4000),
        ("webhook-timestamp", ""),
        ("webhook-signature", ""),
        ("webhook-signature", "v1"),
        ("webhook-signature", "v1,"),
        ("webhook-signature", "v1,%%%"),
        ("webhook-signature", "v1,é"),
        ("webhook-signature", "v1a,AAAA"),
        ("webhook-signature", "v2," + SECRET.sign(b"x").partition(",")[2]),
    ],
)
def test_a_message_with_another_header_is_not_believed(header: str, value: str) -> None:
    with pytest.raises(NotAuthentic):
        signing.verify([SECRET, PAIR.public()], sent() | {header: value}, BODY, NOW)


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_message_without_a_header_is_not_believed(header: str) -> None:
    headers = sent()
    del headers[header]
    with pytest.raises(NotAuthentic):
        signing.verify([SECRET], headers, BODY, NOW)


def test_another_body_is_not_believed() -> None:
    with pytest.raises(NotAuthentic):
        signing.verify([SECRET, PAIR.public()], sent(), BODY + b" ", NOW)


def test_a_signature_counts_only_under_the_version_that_made_it() -> None:
    headers = sent()
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1a,", "x,").replace("v1,", "v1a,")
    with pytest.raises(NotAuthentic):
        signing.verify([SECRET, PAIR.public()], headers, BODY, NOW)


def test_an_id_with_a_full_stop_cannot_pass_one_message_for_another() -> None:
    # The content "a.1700000000.b.1700000001.c" would be that of two messages.
    signed = SECRET.sign(b"a.1700000000.1700000001.c")
    for id, body in (("a.1700000000", b"c"), ("a", b"1700000001.c")):
        headers = {"webhook-id": id, "webhook-timestamp": "1700000001", "webhook-signature": signed}
        with pytest.raises(NotAuthentic):
            signing.verify([SECRET], headers, body, 1_700_000_001)
    with pytest.raises(ValueError, match="id"):
        signing.headers([SECRET], "a.b", NOW, BODY)


@pytest.mark.parametrize("size", [0, 1, 22, 65, 100])
def test_a_secret_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(BadKey):
        SharedSecret.read("whsec_" + base64.b64encode(bytes(size)).decode())


@pytest.mark.parametrize("text", ["whsec_" + "A" * 31 + "!", "whsec_" + "é" * 32, "whsec_" + "A" * 33, "whsec_"])
def test_a_text_that_is_no_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadKey) as refusal:
        SharedSecret.read(text)
    assert text not in str(refusal.value)


@pytest.mark.parametrize("kind", [PrivateKey, PublicKey])
def test_an_ed25519_key_of_another_size_is_refused(kind: Any) -> None:
    for size in (0, 31, 33, 64):
        with pytest.raises(BadKey):
            kind.read(base64.b64encode(bytes(size)).decode())


def test_secrets_are_in_no_representation() -> None:
    shown = repr((SECRET, PAIR))
    for secret in (SECRET.text(), PAIR.text(), SECRET.key.hex(), repr(SECRET.key)):
        assert secret not in shown
        assert secret[-12:] not in shown


def test_keys_are_read_from_what_they_are_written_as() -> None:
    assert SharedSecret.read(SECRET.text()) == SECRET
    assert PrivateKey.read(PAIR.text()) == PAIR
    assert PublicKey.read(PAIR.public().text()) == PAIR.public()


def sent() -> dict[str, str]:
    return signing.headers([SECRET, PAIR], ID, NOW, BODY)
