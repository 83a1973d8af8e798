"""Global Privacy Control is read as the W3C text says."""

import json
from datetime import UTC, date, datetime

import pytest

from consentledger.signals.gpc import SupportResource, gpc_on, support_resource
from tests.support.shared_data import shared_json


def test_every_header_case_of_the_vectors_holds() -> None:
    cases = shared_json("gpc/cases.json")["cases"]
    assert len(cases) >= 7
    for case in cases:
        # One vector gives its answer as prose: "HTTP strips OWS -> true".
        expected = case["gpc"] if isinstance(case["gpc"], bool) else case["gpc"].endswith("true")
        assert gpc_on(case["headers"]) is expected, case


def test_every_support_case_of_the_vectors_holds() -> None:
    cases = shared_json("gpc/cases.json")["well_known"]
    assert len(cases) >= 5
    for case in cases:
        resource = support_resource(json.dumps(case["body"]).encode())
        assert resource.gpc is (None if case["support"] == "unknown" else case["support"]), case
        if case.get("lastUpdate") == "unknown":
            assert resource.last_update is None


@pytest.mark.parametrize("value", ["", "01", "1.0", "+1", "１", "1\u00a0", "1\n", "1, 1", '"1"', "?1", "11"])
def test_only_a_bare_one_is_a_signal(value: str) -> None:
    assert not gpc_on([value])


def test_optional_whitespace_is_space_and_tab_only() -> None:
    assert gpc_on([" \t1\t "])
    assert not gpc_on(["\r1"])


def test_a_date_and_a_date_time_are_read() -> None:
    assert support_resource(b'{"gpc":true,"lastUpdate":"2025-04-15"}') == SupportResource(True, date(2025, 4, 15))
    assert support_resource(b'{"gpc":false,"lastUpdate":"2025-04-15t10:00:00z"}') == SupportResource(
        False, datetime(2025, 4, 15, 10, tzinfo=UTC)
    )


@pytest.mark.parametrize("text", ["20250415", "2025-W16-2", "2025-02-30", "2025-04-15T10:00:00", "2025-04", ""])
def test_a_date_that_rfc_3339_does_not_know_is_unknown(text: str) -> None:
    assert support_resource(f'{{"gpc":true,"lastUpdate":"{text}"}}'.encode()) == SupportResource(True, None)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"{", b"null", b"true", b'[{"gpc":true}]', b'{"GPC":true}', b'{"gpc":1}', b"[" * 100_000],
    ids=["empty", "not-utf-8", "cut", "null", "bool", "list", "other-case", "number", "deep"],
)
def test_a_body_that_is_not_as_specified_never_means_support(body: bytes) -> None:
    assert support_resource(body).gpc is None


def test_unknown_members_are_ignored() -> None:
    assert support_resource(b'{"gpc":true,"more":{"gpc":false}}').gpc is True
