"""CloudEvents in NATS headers: the binding's vectors, both ways, and what decoding refuses."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentledger.bus.cloudevents import (
    NotACloudEvent,
    decode,
    decode_value,
    encode,
    encode_value,
    ledger_event_headers,
    rfc3339,
)
from consentledger.bus.streams import ledger_subject
from tests.support.shared_data import shared_json

VECTORS = "cloudevents/nats_header_values.json"
HEADERS = {"ce-id": "1", "ce-source": "/s", "ce-specversion": "1.0", "ce-type": "t"}


def test_values_encode_as_the_binding_says() -> None:
    cases = shared_json(VECTORS)["encode"]
    assert [encode_value(case["value"]) for case in cases] == [case["header"] for case in cases]


def test_values_decode_as_the_binding_says() -> None:
    vectors = shared_json(VECTORS)
    cases = vectors["decode_accept"] + vectors["encode"]
    assert [decode_value(case["header"]) for case in cases] == [case["value"] for case in cases]


def test_what_the_binding_rejects_is_refused() -> None:
    for header in shared_json(VECTORS)["decode_reject"]:
        with pytest.raises(NotACloudEvent):
            decode_value(header)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])).filter(lambda text: not _noncharacters(text)))
def test_every_value_comes_back_and_its_header_is_plain_ascii(value: str) -> None:
    header = encode_value(value)
    assert re.fullmatch(r"[!#-$&-~]*(%[0-9A-F]{2}[!#-$&-~]*)*", header)
    assert decode_value(header) == value


@pytest.mark.parametrize(
    "header",
    ["%", "%4", "%zz", "%+1", "é", "a\tb", '"open', '"', '"a"b', "%ED%A0%80", "%F4%90%80%80", "%00", "%C2%85", "%FF"],
)
def test_a_value_that_two_readers_could_see_differently_is_refused(header: str) -> None:
    with pytest.raises(NotACloudEvent):
        decode_value(header)


@pytest.mark.parametrize("value", ["\ud800", "line\nbreak", "\x7f", "\ufdd0", "\U0001fffe"])
def test_a_value_that_cloudevents_forbids_is_not_written(value: str) -> None:
    with pytest.raises(NotACloudEvent):
        encode_value(value)


def test_a_quoted_value_loses_its_quotes_and_escapes_and_is_then_decoded_once() -> None:
    assert decode_value(r'"a\"b\\c %2541"') == 'a"b\\c %41'


def test_attributes_come_back_without_other_headers() -> None:
    attributes = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": "ä b"}
    assert decode(encode(attributes) | {"traceparent": "x", "Nats-Msg-Id": "y"}) == attributes


@pytest.mark.parametrize("missing", sorted(HEADERS))
def test_an_event_without_a_required_attribute_is_refused(missing: str) -> None:
    with pytest.raises(NotACloudEvent):
        decode({name: value for name, value in HEADERS.items() if name != missing})


@pytest.mark.parametrize(
    "other", [{"ce-specversion": "1.1"}, {"ce-id": ""}, {"ce-Bad": "x"}, {"ce-time": "yesterday"}, {"ce-": "x"}]
)
def test_an_event_with_a_malformed_attribute_is_refused(other: dict[str, str]) -> None:
    assert decode(HEADERS)
    with pytest.raises(NotACloudEvent):
        decode(HEADERS | other)


def test_a_ledger_event_is_described_completely() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = ledger_event_headers("consent", "acme", "consent.withdrawn.v1", 42, 1_767_225_600_000_001, trace)
    assert headers == {
        "ce-specversion": "1.0",
        "ce-id": "consent/42/1767225600000001",
        "ce-source": "/consentledger/consent",
        "ce-type": "consent.withdrawn.v1",
        "ce-time": "2026-01-01T00:00:00.000001Z",
        "ce-datacontenttype": "application/protobuf",
        "ce-sequence": "00000000000000000042",
        "ce-tenant": "acme",
        "ce-traceparent": trace,
        "traceparent": trace,
        "Nats-Msg-Id": "consent/42/1767225600000001",
    }
    assert int(decode(headers)["sequence"]) == 42


def test_two_events_at_one_position_have_different_identities() -> None:
    one, other = (ledger_event_headers("consent", "acme", "t", 7, recorded) for recorded in (1, 2))
    assert one["Nats-Msg-Id"] != other["Nats-Msg-Id"]


@pytest.mark.parametrize("trace", [None, "", "00-0-0-01", "ff-" + "a" * 32 + "-" + "b" * 16 + "-01", "x\ny"])
def test_a_malformed_trace_does_not_stop_an_event(trace: str | None) -> None:
    headers = ledger_event_headers("consent", "acme", "t", 1, 1, trace)
    assert "traceparent" not in headers
    assert "ce-traceparent" not in headers


def test_times_are_exact_to_the_microsecond() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
    assert rfc3339(253_402_300_799_999_999) == "9999-12-31T23:59:59.999999Z"


def _noncharacters(text: str) -> bool:
    return any(ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF for char in text)


def test_an_event_of_no_tenant_names_none_and_still_has_a_subject() -> None:
    headers = ledger_event_headers("consent", "", "log.epoch_started.v1", 42, 1_767_225_600_000_000)
    assert "ce-tenant" not in headers
    assert "tenant" not in decode(headers)
    assert ledger_subject("consent", "", "log.epoch_started.v1") == "ledger.consent._.log.epoch_started.v1"
