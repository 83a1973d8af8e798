"""ISO 27560 consent records become import rows, each purpose and choice one; what cannot be held is refused."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from consentledger.cli.import_records import record_rows, records_in
from consentledger.cli.imports import Rejected, RowError
from consentledger.v1 import types_pb2 as types
from consentledger.v1.consent_service_pb2 import ImportRow
from tests.support.shared_data import shared_file

DPV = "https://w3id.org/dpv#"
CONTEXT = {
    "dpv": DPV,
    "loc": "https://w3id.org/dpv/loc#",
    "dct": "http://purl.org/dc/terms/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
}
SECRET = "ada@secret.example"


def _status(kind: str = "ConsentGiven", time: str = "2025-01-31T09:30:00Z", **more: Any) -> dict[str, Any]:
    return {"@type": f"dpv:{kind}", "dpv:isIndicatedAtTime": time} | more


def _record(*statuses: dict[str, Any], **changes: Any) -> dict[str, Any]:
    record = {
        "@context": CONTEXT,
        "@type": "dpv:ConsentRecord",
        "dct:identifier": "a6f58318-72e6-46a2-bfd7-f36d795e30cd",
        "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": f"email:{SECRET}"},
        "dpv:hasJurisdiction": {"@id": "loc:DE"},
        "dpv:hasProcess": [{"dpv:hasPurpose": {"@type": "dpv:Purpose", "dct:identifier": "marketing.email"}}],
        "dpv:hasNotice": {"@id": "https://shop.example/notices/v3", "dct:language": "de"},
        "dpv:hasConsentStatus": list(statuses) or [_status()],
    } | {name.replace("__", ":"): value for name, value in changes.items()}
    return {name: value for name, value in record.items() if value is not None}


def _rows(record: Any, purposes: dict[str, str] | None = None) -> list[ImportRow]:
    rows = list(record_rows([record], purposes, "old-system"))
    assert all(isinstance(row, ImportRow) for row in rows), rows
    return [row for row in rows if isinstance(row, ImportRow)]


def _rejected(record: Any) -> Rejected:
    [rejected] = record_rows([record])
    assert isinstance(rejected, Rejected)
    assert SECRET not in repr(rejected)
    return rejected


def test_a_given_consent_is_a_grant() -> None:
    [row] = _rows(_record(_status(**{"dpv:hasIndicationMethod": "Checkbox in the app!"})))
    assert row.subject == types.SubjectRef(namespace="email", id=SECRET)
    assert (row.consent.purpose, row.consent.choice) == ("marketing.email", types.CHOICE_GRANT)
    assert not row.consent.explicit and not row.consent.HasField("expires_at")
    assert row.occurred_at.ToDatetime(UTC) == datetime(2025, 1, 31, 9, 30, tzinfo=UTC)
    assert row.notice_version == "v3"
    assert row.context == types.Context(
        method="checkbox-in-the-app", jurisdiction="DE", language="de", collector="old-system"
    )


@pytest.mark.parametrize(
    ("kind", "act", "method"),
    [
        ("ConsentGiven", "consent", ""),
        ("RenewedConsentGiven", "consent", ""),
        ("ConsentRefused", "consent", ""),
        ("ConsentWithdrawn", "withdraw_purpose", ""),
        ("ConsentRevoked", "withdraw_purpose", "consent-revoked"),
        ("ConsentInvalidated", "withdraw_purpose", "consent-invalidated"),
        ("ConsentExpired", "withdraw_purpose", "consent-expired"),
    ],
)
def test_every_state_in_which_something_was_chosen_is_an_act(kind: str, act: str, method: str) -> None:
    [row] = _rows(_record(_status(kind)))
    assert (row.WhichOneof("act"), row.context.method) == (act, method)
    assert row.consent.choice != types.CHOICE_DENY or kind == "ConsentRefused"


def test_a_refusal_is_a_denial() -> None:
    [row] = _rows(_record(_status("ConsentRefused")))
    assert row.consent.choice == types.CHOICE_DENY


@pytest.mark.parametrize("kind", ["LegitimateInterestObjected", "PublicInterestObjected"])
def test_an_objection_is_read_beside_any_other_status(kind: str) -> None:
    statuses = [_status("ActivityOngoing"), _status(kind)]
    [row] = _rows(_record(dpv__hasConsentStatus=None, dpv__hasStatus=statuses))
    assert row.object_purpose == "marketing.email"


@pytest.mark.parametrize("method", ["-web-", "a--b", "form_7.2"])
def test_a_method_that_is_a_token_stays_as_it_is(method: str) -> None:
    [row] = _rows(_record(_status(**{"dpv:hasIndicationMethod": method})))
    assert row.context.method == method


@pytest.mark.parametrize("kind", ["ConsentRequested", "ConsentRequestDeferred"])
def test_a_state_in_which_nothing_was_chosen_gives_no_row(kind: str) -> None:
    assert len(_rows(_record(_status(kind), _status()))) == 1


@pytest.mark.parametrize(
    "kinds",
    [
        ["dpv:ConsentUnknown"],
        ["dpv:ConsentTerminated"],
        ["dpv:ConsentGiven", "dpv:ConsentUnknown"],
        ["dpv:ConsentGiven", "dpv:ConsentWithdrawn"],
        ["dpv:ExpressedConsent"],
        ["https://shop.example/ConsentGiven"],
        [],
    ],
)
def test_an_unknown_state_refuses_the_record(kinds: list[str]) -> None:
    rejected = _rejected(_record(_status() | {"@type": kinds}))
    assert (rejected.row, rejected.field) == (0, "dpv:hasConsentStatus")


def test_an_explicit_consent_is_explicit() -> None:
    [row] = _rows(_record(_status() | {"@type": ["dpv:ConsentGiven", "dpv:ExplicitlyExpressedConsent"]}))
    assert row.consent.explicit


def test_each_purpose_and_each_state_is_a_row_of_its_own() -> None:
    purposes = [{"dpv:hasPurpose": [{"dct:identifier": "a"}, {"dct:identifier": "b"}]}]
    rows = _rows(_record(_status(), _status("ConsentWithdrawn", "2025-03-01T00:00:00Z"), dpv__hasProcess=purposes))
    assert [row.consent.purpose or row.withdraw_purpose for row in rows] == ["a", "a", "b", "b"]
    assert len({row.request_id for row in rows}) == 4


def test_the_same_record_gives_the_same_row_ids_and_another_gives_others() -> None:
    [first], [again] = _rows(_record()), _rows(_record(_status(**{"dpv:hasIndicationMethod": "toggle"})))
    [other] = _rows(_record(dct__identifier="b"))
    assert first.request_id == again.request_id != other.request_id
    assert str(uuid.UUID(first.request_id)) == first.request_id


@pytest.mark.parametrize(
    ("subject", "namespace", "identifier"),
    [
        ({"@id": "mailto:bo@mail.example"}, "email", "bo@mail.example"),
        ({"@id": "tel:+4930123"}, "phone", "+4930123"),
        ({"@id": "https://shop.example/people/7"}, "iri", "https://shop.example/people/7"),
        ({"@id": "mailto:bo@mail.example", "dpv:hasIdentifier": "crm:C7"}, "crm", "C7"),
        ({"dct:identifier": {"@value": "urn:x:y"}}, "urn", "x:y"),
    ],
)
def test_a_person_is_named_by_identifier_or_iri(subject: dict[str, Any], namespace: str, identifier: str) -> None:
    [row] = _rows(_record(dpv__hasDataSubject=subject))
    assert row.subject == types.SubjectRef(namespace=namespace, id=identifier)


@pytest.mark.parametrize(
    "purpose",
    [
        {"skos:broader": {"@id": "dpv:Marketing"}},
        {"@type": ["dpv:Purpose", "dpv:Marketing"]},
        {"@id": "dpv:Marketing"},
    ],
)
def test_a_purpose_may_be_named_by_an_iri_of_the_catalogue(purpose: dict[str, Any]) -> None:
    record = _record(dpv__hasProcess={"dpv:hasPurpose": purpose})
    [row] = _rows(record, {DPV + "Marketing": "marketing.email"})
    assert row.consent.purpose == "marketing.email"
    assert _rejected(record).field == "dpv:hasPurpose"


@pytest.mark.parametrize(
    ("duration", "expires"),
    [
        ({"@type": "dpv:TemporalDuration", "rdf:value": "P12M"}, datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ({"@type": "dpv:TemporalDuration", "rdf:value": "P1M"}, datetime(2025, 2, 28, 9, 30, tzinfo=UTC)),
        (
            {"@type": "dpv:TemporalDuration", "rdf:value": "P1Y2M1W3DT4H5M6S"},
            datetime(2026, 4, 10, 13, 35, 6, tzinfo=UTC),
        ),
        ({"@type": "dpv:UntilTimeDuration", "rdf:value": "2027-01-01T00:00:00Z"}, datetime(2027, 1, 1, tzinfo=UTC)),
        ({"@type": "dpv:EndlessDuration"}, None),
    ],
)
def test_the_duration_of_a_grant_becomes_its_end(duration: dict[str, Any], expires: datetime | None) -> None:
    [row] = _rows(_record(_status(**{"dpv:hasDuration": duration})))
    ends = row.consent.expires_at.ToDatetime(UTC) if row.consent.HasField("expires_at") else None
    assert ends == expires


@pytest.mark.parametrize(
    "duration",
    [
        {"@type": "dpv:UntilEventDuration", "rdf:value": "the study ends"},
        {"@type": "dpv:TemporalDuration", "rdf:value": "a year"},
        {"@type": "dpv:TemporalDuration", "rdf:value": "P"},
        {"@type": "dpv:TemporalDuration", "rdf:value": "P1YT"},
        {"@type": "dpv:TemporalDuration", "rdf:value": "P9999Y"},
        {"@type": "dpv:TemporalDuration"},
        "P12M",
    ],
)
def test_a_grant_whose_end_cannot_be_held_is_refused_and_not_made_endless(duration: Any) -> None:
    assert _rejected(_record(_status(**{"dpv:hasDuration": duration}))).field == "dpv:hasDuration"


@pytest.mark.parametrize("notice", [None, [{"@id": "https://a.example/v1"}, {"@id": "https://a.example/v2"}]])
def test_no_notice_or_several_is_an_unknown_notice(notice: Any) -> None:
    [row] = _rows(_record(dpv__hasNotice=notice))
    assert row.notice_version == ""


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dct__identifier": None}, "dct:identifier"),
        ({"dpv__hasDataSubject": None}, "dpv:hasDataSubject"),
        ({"dpv__hasDataSubject": {"dct:identifier": SECRET}}, "dpv:hasDataSubject"),
        ({"dpv__hasDataSubject": {}}, "id"),
        ({"dpv__hasProcess": None}, "dpv:hasPurpose"),
        ({"dpv__hasJurisdiction": [{"@id": "loc:DE"}, {"@id": "loc:FR"}]}, "dpv:hasJurisdiction"),
        ({"dpv__hasJurisdiction": {"@id": "https://a.example/DE"}}, "jurisdiction"),
        ({"dpv__hasConsentStatus": {"@type": "dpv:ConsentGiven"}}, "dpv:isIndicatedAtTime"),
        ({"dpv__hasConsentStatus": _status(time="2025-01-31")}, "dpv:isIndicatedAtTime"),
        ({"dpv__hasConsentStatus": "dpv:ConsentGiven"}, "dpv:hasConsentStatus"),
        ({"@context": "https://a.example/context.jsonld"}, "@context"),
        ({"@type": 7}, "record"),
    ],
)
def test_a_record_that_is_not_whole_is_refused_with_the_name_of_what_is_missing(
    changes: dict[str, Any], field: str
) -> None:
    assert _rejected(_record(**changes)).field == field


def test_a_record_is_refused_as_a_whole_and_the_next_is_read() -> None:
    bad = _record(_status(), _status("ConsentUnknown"))
    results = list(record_rows([_record(), bad, 7, _record()]))
    assert [type(result) for result in results] == [ImportRow, Rejected, Rejected, ImportRow]
    assert [result.row for result in results if isinstance(result, Rejected)] == [1, 2]


def test_one_record_a_list_and_a_graph_are_read_alike() -> None:
    record = _record()
    bare = {name: value for name, value in record.items() if name != "@context"}
    documents = [record, [record], {"@context": CONTEXT, "@graph": [bare]}, {"@context": CONTEXT, "@graph": bare}]
    read = [_rows(one) for document in documents for one in records_in(json.dumps(document))]
    assert read == [_rows(record)] * 4


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(RowError):
        records_in(text)


def test_the_shared_example_record_is_a_grant_and_its_withdrawal() -> None:
    [record] = records_in(shared_file("receipts/dpv27560_record_corrected.json").read_text("utf-8"))
    given, withdrawn = _rows(record, {DPV + "Marketing": "marketing.email"})
    assert given.consent.choice == types.CHOICE_GRANT
    assert given.consent.expires_at.ToDatetime(UTC) == datetime(2025, 1, 1, 10, tzinfo=UTC)
    assert withdrawn.withdraw_purpose == "marketing.email"
    assert given.notice_version == "2024-01"
