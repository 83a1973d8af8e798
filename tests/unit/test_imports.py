"""Rows of CSV become import rows, or say what is wrong with them, and never their values."""

import csv
import io
from datetime import UTC, datetime

import pytest

from consentledger.cli.imports import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, Rejected, RowError, csv_rows
from consentledger.v1 import types_pb2 as types
from consentledger.v1.consent_service_pb2 import ImportRow

REQUEST_ID = "0a0e8f00-1111-4222-8333-444455556666"
SECRET = "ada@secret.example"
ROW = {
    "request_id": REQUEST_ID,
    "namespace": "email",
    "id": SECRET,
    "act": "grant",
    "purpose": "marketing.email",
    "occurred_at": "2025-01-31T10:30:00.250+01:00",
    "notice_version": "marketing-2024-06",
    "method": "checkbox",
    "jurisdiction": "US-CA",
    "collector": "web",
    "age_band": "adult",
    "language": "en-US",
    "explicit": "",
}


def _file(*rows: dict[str, str]) -> io.StringIO:
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    return io.StringIO(file.getvalue())


def _one(**changes: str) -> ImportRow | Rejected:
    [row] = csv_rows(_file(ROW | changes))
    return row


def _row(**changes: str) -> ImportRow:
    row = _one(**changes)
    assert isinstance(row, ImportRow)
    return row


def test_a_grant_is_read_as_written() -> None:
    row = _row()
    assert row.request_id == REQUEST_ID
    assert row.subject == types.SubjectRef(namespace="email", id=SECRET)
    assert (row.consent.purpose, row.consent.choice, row.consent.explicit) == (
        "marketing.email",
        types.CHOICE_GRANT,
        False,
    )
    assert row.notice_version == "marketing-2024-06"
    assert row.occurred_at.ToDatetime(UTC) == datetime(2025, 1, 31, 9, 30, 0, 250_000, UTC)
    assert row.context == types.Context(
        method="checkbox", jurisdiction="US-CA", collector="web", language="en-US", age_band=types.AGE_BAND_ADULT
    )


def test_the_columns_that_are_not_needed_may_be_missing_or_empty() -> None:
    [bare] = csv_rows(_file({column: ROW[column] for column in REQUIRED_COLUMNS}))
    empty = _row(**dict.fromkeys(OPTIONAL_COLUMNS, ""))
    assert bare == empty
    assert isinstance(bare, ImportRow) and bare.notice_version == ""


@pytest.mark.parametrize(
    ("act", "purpose", "field", "value"),
    [
        ("withdraw", "marketing.email", "withdraw_purpose", "marketing.email"),
        ("withdraw", "*", "withdraw_purpose", "*"),
        ("withdraw", "", "withdraw_purpose", "*"),
        ("object", "data.sale", "object_purpose", "data.sale"),
        ("object", "", "object_purpose", "*"),
    ],
)
def test_a_withdrawal_or_objection_names_one_purpose_or_all(act: str, purpose: str, field: str, value: str) -> None:
    row = _row(act=act, purpose=purpose)
    assert (row.WhichOneof("act"), getattr(row, field)) == (field, value)


def test_a_denial_is_a_choice() -> None:
    assert _row(act="deny").consent.choice == types.CHOICE_DENY


def test_an_explicit_act_is_told() -> None:
    assert _row(explicit="TRUE").consent.explicit


def test_a_notice_that_cannot_be_the_name_of_one_is_kept_as_unknown() -> None:
    assert _row(notice_version="paper form (2019)").notice_version == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("request_id", "17"),
        ("request_id", ""),
        ("namespace", "E-Mail"),
        ("namespace", ""),
        ("id", ""),
        ("id", "a\x00b"),
        ("id", "ä" * 257),
        ("act", "GRANT"),
        ("act", ""),
        ("purpose", "*"),
        ("purpose", "Marketing"),
        ("occurred_at", "2025-01-31"),
        ("occurred_at", "2025-01-31T10:30:00"),
        ("occurred_at", "2025-02-30T10:30:00Z"),
        ("occurred_at", "31.01.2025 10:30"),
        ("occurred_at", "0001-01-01T00:00:00+14:00"),
        ("method", "check box"),
        ("jurisdiction", "Germany"),
        ("collector", "WEB"),
        ("age_band", "42"),
        ("language", "e"),
        ("explicit", "yes"),
    ],
)
def test_a_row_that_cannot_be_read_says_which_field(field: str, value: str) -> None:
    rejected = _one(**{field: value})
    assert isinstance(rejected, Rejected)
    assert (rejected.row, rejected.field) == (0, field)
    assert rejected.rule


def test_a_rejection_holds_no_value() -> None:
    rejected = _one(jurisdiction=SECRET)
    assert SECRET not in repr(rejected)


def test_the_rows_after_a_rejected_one_are_read_and_counted_on() -> None:
    results = list(csv_rows(_file(ROW, ROW | {"act": "agree"}, ROW, ROW | {"id": ""})))
    assert [type(result) for result in results] == [ImportRow, Rejected, ImportRow, Rejected]
    assert [result.row for result in results if isinstance(result, Rejected)] == [1, 3]


def test_a_row_with_a_cell_too_many_or_too_few_is_rejected() -> None:
    text = _file(ROW).getvalue()
    short = text + "a,b\r\n" + "," * len(ROW) + "\r\n\r\n"
    assert list(csv_rows(io.StringIO(short)))[1:] == [
        Rejected(1, "row", "as many cells as the header has"),
        Rejected(2, "row", "as many cells as the header has"),
    ]


def test_broken_quoting_rejects_the_row() -> None:
    text = _file(ROW).getvalue() + '"a"b,c\r\n'
    assert list(csv_rows(io.StringIO(text)))[1:] == [Rejected(1, "row", "CSV as RFC 4180")]


@pytest.mark.parametrize("column", REQUIRED_COLUMNS)
def test_a_needed_column_that_is_missing_refuses_the_file(column: str) -> None:
    with pytest.raises(RowError) as caught:
        csv_rows(_file({name: value for name, value in ROW.items() if name != column}))
    assert caught.value.field == column


@pytest.mark.parametrize("header", ["", ",".join((*REQUIRED_COLUMNS, "phone")), ",".join((*REQUIRED_COLUMNS, "id"))])
def test_a_header_that_is_not_understood_refuses_the_file(header: str) -> None:
    with pytest.raises(RowError):
        csv_rows(io.StringIO(header + "\r\n"))


def test_a_byte_order_mark_is_no_part_of_the_header() -> None:
    [row] = csv_rows(io.StringIO("\ufeff" + _file(ROW).getvalue()))
    assert row == _row()
