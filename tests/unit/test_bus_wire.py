"""What crosses the wire: delivered messages, answers, sizes, and what a journal may see of a subject."""

from typing import Any

import pytest
from nats.aio.msg import Msg

from consentledger.bus.errors import BusUnavailable, JetStreamError
from consentledger.bus.message import message_of
from consentledger.bus.serverconfig import NatsUser, server_config
from consentledger.bus.wire import Received, answer, message_size, shorten
from tests.support.nats import KEY

NOBODY: Any = None


@pytest.mark.parametrize(
    "reply",
    [
        "$JS.ACK.LEDGER.crm.3.1042.77.1767225600000000000.5",
        "$JS.ACK.hub.ACCOUNT.LEDGER.crm.3.1042.77.1767225600000000000.5.random",
        "$JS.ACK._.ACCOUNT.LEDGER.crm.3.1042.77.1767225600000000000.5",
    ],
)
def test_a_delivered_message_tells_its_sequences_in_every_form_of_the_reply(reply: str) -> None:
    message = message_of(NOBODY, Msg(NOBODY, subject="ledger.consent.a.b", reply=reply, data=b"body"))
    assert message is not None
    assert (message.deliveries, message.stream_sequence, message.consumer_sequence) == (3, 1042, 77)
    assert (message.pending, message.payload, message.settled) == (5, b"body", False)


@pytest.mark.parametrize("reply", ["", "_INBOX.x.1", "$JS.ACK.short"])
def test_a_status_of_the_server_is_no_message(reply: str) -> None:
    assert message_of(NOBODY, Msg(NOBODY, subject="_INBOX.x.1", reply=reply)) is None


def test_an_error_answer_is_raised_with_its_numbers() -> None:
    with pytest.raises(JetStreamError) as raised:
        answer(_reply(b'{"error": {"code": 400, "err_code": 10071, "description": "wrong last sequence: 3"}}'))
    assert (raised.value.code, raised.value.err_code) == (400, 10071)
    assert "wrong last" not in str(raised.value)


@pytest.mark.parametrize("payload", [b"", b"nonsense", b"[]"])
def test_an_answer_that_makes_no_sense_leaves_the_outcome_open(payload: bytes) -> None:
    with pytest.raises(BusUnavailable):
        answer(_reply(payload))


def test_the_size_of_a_message_is_what_the_server_counts() -> None:
    block = b"NATS/1.0\r\nA: bc\r\nLong-Name: \xc3\xa4\r\n\r\n"
    assert message_size({"A": "bc", "Long-Name": "ä"}, b"12345") >= len(block) + 5
    assert message_size({}, b"12345") == 5


def test_a_journal_never_sees_the_token_of_a_person() -> None:
    assert shorten("enforce.acme.crm.erase.token") == "enforce.acme.crm.…"
    assert shorten("$JS.API.STREAM.INFO.LEDGER") == "$JS.API.STREAM.INFO.LEDGER"


def test_the_embedded_server_is_told_to_sync_to_encrypt_and_to_ask_for_a_password(tmp_path: Any) -> None:
    text = server_config(tmp_path, -1, [NatsUser('a"b', "p\\w", publish=("x",), subscribe=())])
    assert "sync_interval: always" in text
    assert "cipher: chachapoly" in text
    assert 'listen: "127.0.0.1:-1"' in text
    assert r'"user": "a\"b", "password": "p\\w", "permissions": {"publish": ["x"], "subscribe": []}' in text
    assert KEY.hex() not in text


def _reply(payload: bytes) -> Received:
    return Received("_INBOX.x.1", "", {}, payload)
