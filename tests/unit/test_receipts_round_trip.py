"""What is imported from our own record is what was recorded: every act, through the encoder, the receipt and back."""

import json
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st

from consentledger.cli.import_records import one_record
from consentledger.receipts import iso27560
from consentledger.receipts.act import act_of
from consentledger.receipts.source import source
from consentledger.store.commands import seal
from consentledger.v1 import consent_service_pb2 as service
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from services.consent import encoding
from services.consent.domain.person import Collected, Person
from tests.golden.events import ADA, TENANT, Log, at
from tests.support.receipts import receipt_of

TOKENS = st.from_regex(r"[a-z0-9._-]{1,64}", fullmatch=True)
PURPOSES = ("marketing.email", "analytics.web", "a")
NOTICE = ev.Notice(id="marketing", version="m-1", language="de", text_sha256=bytes(32))
MICROS = st.integers(min_value=-2_208_988_800_000_000, max_value=7_258_118_400_000_000)
"""From 1900 to 2200."""
COLLECTED = st.builds(
    Collected,
    method=st.just("") | TOKENS,
    jurisdiction=st.sampled_from(["", "DE", "DE-BY", "US-CA"]),
    language=st.sampled_from(["", "de", "en-GB"]),
    collector=st.just("") | TOKENS,
    evidence_sha256=st.just(b"") | st.binary(min_size=32, max_size=32),
    age_band=st.sampled_from([0, 1, 2]),
    guardian_method=st.just("") | TOKENS,
    imported=st.booleans(),
)
ACTS = st.fixed_dictionaries({"occurred_us": st.none() | MICROS, "collected": COLLECTED})
CHOICES = st.fixed_dictionaries(
    {
        "purpose": st.sampled_from(PURPOSES),
        "grant": st.booleans(),
        "notice": st.sampled_from(["", "m-1"]),
        "told_notice": st.sampled_from(["", "paper-1999"]),
        "explicit": st.booleans(),
        "expires_us": st.none() | MICROS,
    }
)
SOME = st.lists(st.sampled_from(PURPOSES), unique=True).map(tuple)
SUBJECTS = st.none() | st.builds(
    ty.SubjectRef,
    namespace=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True),
    id=st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=100),
)


def read_back(kind: Any, fields: dict[str, Any], subject: ty.SubjectRef | None) -> list[service.ImportRow]:
    """One event, written by the service's own encoder, as an import reads its record."""
    event = Log()(kind, ADA, revoked=(), personal=b"", **fields)
    leaf = seal(encoding.draft(TENANT, event, None)).leaf
    act = act_of(leaf)
    record = iso27560.record(
        source(
            receipt_of([b"another", leaf], 2),
            ev.Tenant(id=TENANT, display_name="Acme", default_jurisdiction="AT", version=1),
            [ev.Purpose(id=id_, title=id_, version=1) for id_ in act.purposes if id_ != "*"],
            NOTICE if act.notice_known else None,
            subject=subject,
        )
    )
    rows = one_record(json.loads(json.dumps(record)), {})
    for row in rows:
        row.ClearField("request_id")
    return rows


def due(fields: dict[str, Any], subject: ty.SubjectRef | None, **more: Any) -> service.ImportRow:
    """The row that the act was, told by another system."""
    told: Collected = fields["collected"]
    row = service.ImportRow(
        subject=subject or ty.SubjectRef(namespace="iri", id=f"urn:uuid:{ADA}"),
        context=ty.Context(
            method=told.method,
            jurisdiction=told.jurisdiction,
            language=told.language,
            collector=told.collector,
            evidence_sha256=told.evidence_sha256,
            age_band=told.age_band,
        ),
        **more,
    )
    occurred_us = fields["occurred_us"]
    row.occurred_at.CopyFrom(instant(at(1) if occurred_us is None else occurred_us))
    return row


def instant(us: int) -> Timestamp:
    """A time of microseconds."""
    stamp = Timestamp()
    stamp.FromMicroseconds(us)
    return stamp


@given(ACTS, CHOICES, SUBJECTS)
@example(
    {"occurred_us": None, "collected": Collected(method="-a--b.")},
    {"purpose": "a", "grant": True, "notice": "m-1", "told_notice": "", "explicit": False, "expires_us": 0},
    None,
)
def test_a_choice_comes_back_as_it_was(act: Any, choice: Any, subject: ty.SubjectRef | None) -> None:
    choice["expires_us"] = choice["expires_us"] if choice["grant"] else None
    [row] = read_back(Person.ConsentRecorded, {**act, **choice}, subject)
    expected = due(act, subject, notice_version=choice["notice"] or choice["told_notice"])
    expected.consent.purpose = choice["purpose"]
    expected.consent.choice = ty.CHOICE_GRANT if choice["grant"] else ty.CHOICE_DENY
    expected.consent.explicit = choice["explicit"]
    if choice["expires_us"] is not None:
        expected.consent.expires_at.CopyFrom(instant(choice["expires_us"]))
    assert row == expected


@given(ACTS, SOME, SUBJECTS)
def test_a_withdrawal_comes_back_as_it_was(act: Any, purposes: tuple[str, ...], subject: ty.SubjectRef | None) -> None:
    rows = read_back(Person.ConsentWithdrawn, {**act, "purposes": purposes}, subject)
    assert rows == [due(act, subject, withdraw_purpose=purpose) for purpose in purposes or ("*",)]


@given(ACTS, SOME, SUBJECTS)
def test_an_objection_comes_back_as_it_was(act: Any, purposes: tuple[str, ...], subject: ty.SubjectRef | None) -> None:
    rows = read_back(Person.ObjectionRecorded, {**act, "purposes": purposes}, subject)
    assert rows == [due(act, subject, object_purpose=purpose) for purpose in purposes or ("*",)]
