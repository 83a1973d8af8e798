"""Turns acts that another system collected into `ImportRow`s: the builder that checks one row, and the CSV reader.

Pure: text in, messages out; no file, no clock, no network. ISO 27560 records are read in `import_records.py`; sending
is the import command's work.

- A row that cannot be read is `Rejected` with its number, field and rule, never with its values, and the next is read.
- `request_id` comes with the row. It is not made from the row: a hash of an identifier would give the person away.
- A notice version that cannot be the name of one is left empty. Such a grant is kept, and counts as stale.
- Times carry an offset. A local time without one is refused, not guessed.

    request_id,namespace,id,act,purpose,notice_version,occurred_at,method,jurisdiction,collector,age_band
    0a0e…,email,ada@example.org,grant,marketing.email,marketing-2024-06,2025-01-31T09:30:00Z,checkbox,DE,web,adult
"""

import csv
import re
import unicodedata
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from consentledger.regimes.model import PLACE
from consentledger.v1 import consent_service_pb2 as service
from consentledger.v1 import types_pb2 as types

REQUIRED_COLUMNS = ("request_id", "namespace", "id", "act", "purpose", "occurred_at")
OPTIONAL_COLUMNS = ("notice_version", "method", "jurisdiction", "collector", "age_band", "language", "explicit")

ANY_PURPOSE = "*"
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_PURPOSE = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
_NOTICE_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOKEN = re.compile(r"[a-z0-9._-]{0,64}")
_LANGUAGE = re.compile(r"(?:[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*)?")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})")
_AGE_BANDS = {"": types.AGE_BAND_UNSPECIFIED, "adult": types.AGE_BAND_ADULT, "minor": types.AGE_BAND_MINOR}
_FLAGS = {"": False, "false": False, "true": True}
_CHOICES = {"grant": types.CHOICE_GRANT, "deny": types.CHOICE_DENY}


class RowError(ValueError):
    """One row cannot be read: which field, and the rule it breaks. It never holds the value."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row or record that was not turned into an `ImportRow`."""

    row: int
    """Its number from 0, header lines not counted."""
    field: str
    """The field at fault."""
    rule: str
    """What must hold of it."""


@dataclass(frozen=True, slots=True)
class SourceAct:
    """One act as read, before it is checked. Texts are as in the CSV columns of the same name."""

    request_id: str
    namespace: str
    id: str
    act: str
    """"grant", "deny", "withdraw" or "object"."""
    purpose: str
    """A purpose id; "*" or empty means all, for a withdrawal or an objection only."""
    occurred_at: datetime
    notice_version: str = ""
    method: str = ""
    jurisdiction: str = ""
    collector: str = ""
    language: str = ""
    age_band: str = ""
    explicit: bool = False
    expires_at: datetime | None = None
    """When a grant ends."""
    evidence_sha256: bytes = b""
    """32 bytes, or none."""


def import_row(act: SourceAct) -> service.ImportRow:
    """The message for one act. Raises RowError."""
    _need(bool(_NAMESPACE.fullmatch(act.namespace)), "namespace", "[a-z0-9][a-z0-9._-]{0,62}")
    _need(_is_identifier(act.id), "id", "1 to 512 bytes without control characters")
    _need(bool(_TOKEN.fullmatch(act.method)), "method", "[a-z0-9._-]{0,64}")
    _need(bool(_TOKEN.fullmatch(act.collector)), "collector", "[a-z0-9._-]{0,64}")
    _need(not act.jurisdiction or bool(PLACE.fullmatch(act.jurisdiction)), "jurisdiction", "ISO 3166-1 or 3166-2")
    _need(len(act.language) <= 35 and bool(_LANGUAGE.fullmatch(act.language)), "language", "BCP 47")
    _need(act.age_band in _AGE_BANDS, "age_band", "adult, minor or empty")
    _need(len(act.evidence_sha256) in (0, 32), "evidence_sha256", "32 bytes, or none")
    _need(act.occurred_at.tzinfo is not None, "occurred_at", "a time with an offset")
    row = service.ImportRow(
        request_id=_request_id(act.request_id),
        subject=types.SubjectRef(namespace=act.namespace, id=act.id),
        notice_version=act.notice_version if _NOTICE_VERSION.fullmatch(act.notice_version) else "",
        occurred_at=_timestamp("occurred_at", act.occurred_at),
        context=types.Context(
            method=act.method,
            jurisdiction=act.jurisdiction,
            collector=act.collector,
            language=act.language,
            age_band=_AGE_BANDS[act.age_band],
            evidence_sha256=act.evidence_sha256,
        ),
    )
    _set_act(row, act)
    return row


def csv_rows(lines: Iterable[str]) -> Iterator[service.ImportRow | Rejected]:
    """The rows of a CSV file with a header line, in order; a row that cannot be read is Rejected.

    Raises RowError at once when a needed column is missing or a column is unknown.
    """
    reader = csv.reader(lines, strict=True)
    header = _header(reader)
    return _rows(reader, header)


def instant(field: str, text: str) -> datetime:
    """An RFC 3339 date and time with its offset. Raises RowError naming the field."""
    try:
        if _INSTANT.fullmatch(text):
            return datetime.fromisoformat(text.upper())
    except ValueError:
        pass
    raise RowError(field, "RFC 3339 with an offset, 2025-01-31T09:30:00Z")


def _header(reader: Iterator[list[str]]) -> list[str]:
    try:
        header = [column.strip().removeprefix("\ufeff") for column in next(reader, [])]
    except csv.Error:
        raise RowError("header", "CSV as RFC 4180") from None
    for column in REQUIRED_COLUMNS:
        _need(column in header, column, "a column of this name is needed")
    _need(len(set(header)) == len(header), "header", "no column twice")
    _need(set(header) <= {*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS}, "header", "only known columns")
    return header


def _rows(reader: Iterator[list[str]], header: list[str]) -> Iterator[service.ImportRow | Rejected]:
    number = 0
    while True:
        try:
            cells = next(reader, None)
            if cells is None:
                return
            if not cells:  # an empty line is no row
                continue
            _need(len(cells) == len(header), "row", "as many cells as the header has")
            yield import_row(_csv_act(dict(zip(header, cells, strict=True))))
        except csv.Error:
            yield Rejected(number, "row", "CSV as RFC 4180")
        except RowError as error:
            yield Rejected(number, error.field, error.rule)
        number += 1


def _csv_act(row: Mapping[str, str]) -> SourceAct:
    explicit = row.get("explicit", "").lower()
    _need(explicit in _FLAGS, "explicit", "true, false or empty")
    return SourceAct(
        request_id=row["request_id"],
        namespace=row["namespace"],
        id=row["id"],
        act=row["act"],
        purpose=row["purpose"],
        occurred_at=instant("occurred_at", row["occurred_at"]),
        notice_version=row.get("notice_version", ""),
        method=row.get("method", ""),
        jurisdiction=row.get("jurisdiction", ""),
        collector=row.get("collector", ""),
        language=row.get("language", ""),
        age_band=row.get("age_band", "").lower(),
        explicit=_FLAGS[explicit],
    )


def _set_act(row: service.ImportRow, act: SourceAct) -> None:
    if act.act in _CHOICES:
        _need(bool(_PURPOSE.fullmatch(act.purpose)), "purpose", "[a-z0-9][a-z0-9._-]{0,127}")
        row.consent.purpose = act.purpose
        row.consent.choice = _CHOICES[act.act]
        row.consent.explicit = act.explicit
        if act.act == "grant" and act.expires_at is not None:
            row.consent.expires_at.CopyFrom(_timestamp("expires_at", act.expires_at))
        return
    _need(act.act in ("withdraw", "object"), "act", "grant, deny, withdraw or object")
    purpose = act.purpose or ANY_PURPOSE
    _need(purpose == ANY_PURPOSE or bool(_PURPOSE.fullmatch(purpose)), "purpose", "[a-z0-9][a-z0-9._-]{0,127} or *")
    if act.act == "withdraw":
        row.withdraw_purpose = purpose
    else:
        row.object_purpose = purpose


def _request_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise RowError("request_id", "a UUID") from None


def _is_identifier(text: str) -> bool:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return False
    return 1 <= size <= 512 and not any(unicodedata.category(character) == "Cc" for character in text)


def _timestamp(field: str, moment: datetime) -> Timestamp:
    stamp = Timestamp()
    try:
        stamp.FromDatetime(moment)
    except (ValueError, OverflowError):
        raise RowError(field, "between the years 1 and 9999 in UTC") from None
    return stamp


def _need(holds: bool, field: str, rule: str) -> None:
    if not holds:
        raise RowError(field, rule)
