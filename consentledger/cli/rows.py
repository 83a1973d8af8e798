"""The rows of the files to import, and the count of what became of them.

The server counts the rows of its stream. They are told to people by their place in their file: a row of a CSV file,
header line not counted; a record of an ISO 27560 file, which may give several rows. Both from 0.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from consentledger.cli.failures import BadFile, Misuse
from consentledger.cli.import_records import one_record, records_in
from consentledger.cli.imports import Rejected, RowError, csv_rows
from consentledger.errors import Reason
from consentledger.v1 import consent_service_pb2 as service

FORMATS = ("csv", "27560")
_SUFFIXES = {".csv": "csv", ".json": "27560", ".jsonld": "27560"}
_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Source:
    """One file."""

    path: Path
    form: str
    """One of FORMATS."""
    purposes: Mapping[str, str]
    """Purpose ids by IRI, for records."""
    collector: str
    """Where records come from."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row that was not taken."""

    file: str
    row: int
    reason: str
    field: str
    rule: str = ""


@dataclass(slots=True)
class Tally:
    """What became of the rows: written + repeated + rejected is all of them."""

    written: int = 0
    repeated: int = 0
    rejected: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    consistency_token: str = ""
    sent: int = 0
    """Rows that were sent, or are about to be."""
    _starts: list[int] = field(default_factory=list)
    _places: list[tuple[str, int]] = field(default_factory=list)
    _answered: int = 0

    def sending(self, file: str, row: int) -> None:
        """Remember where the next row to be sent comes from; only breaks in the count are kept."""
        if not self._places or self._place(self.sent) != (file, row):
            self._starts.append(self.sent)
            self._places.append((file, row))
        self.sent += 1

    def unread(self, file: str, rejected: Rejected) -> None:
        """Count a row that cannot be read."""
        self.rejected += 1
        self._keep(Rejection(file, rejected.row, Reason.INVALID_FIELD.value, rejected.field, rejected.rule))

    def add(self, answer: service.ImportConsentsResponse) -> None:
        """Count what the server answered to all rows sent since its last answer."""
        self.written += answer.written
        self.repeated += answer.repeated
        self.rejected += answer.rejected
        self.consistency_token = answer.consistency_token or self.consistency_token
        for refused in answer.rejections:
            file, row = self._place(self._answered + refused.row)
            self._keep(Rejection(file, row, refused.reason, refused.field))
        self._answered = self.sent

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "written": self.written,
            "repeated": self.repeated,
            "rejected": self.rejected,
            "rejections": [asdict(rejection) for rejection in self.rejections],
            "consistency_token": self.consistency_token,
        }

    def _place(self, index: int) -> tuple[str, int]:
        run = bisect_right(self._starts, index) - 1
        file, row = self._places[run]
        return file, row + index - self._starts[run]

    def _keep(self, rejection: Rejection) -> None:
        if len(self.rejections) < _KEPT:
            self.rejections.append(rejection)


def format_of(path: Path) -> str:
    """By the file's name. Misuse for one that says nothing."""
    form = _SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise Misuse("needed for files that are neither .csv nor .json nor .jsonld", param_hint="--format")
    return form


def count_of(source: Source) -> int:
    """About how many rows a file has; for a progress bar only."""
    if source.form != "csv":
        return 1
    with source.path.open("rb") as file:
        return max(0, sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b"")) - 1)


def rows_of(sources: list[Source], tally: Tally) -> Iterator[service.ImportRow]:
    """The rows of all files that can be read; the others are counted. Raises BadFile."""
    for source in sources:
        file = source.path.name
        numbered = _csv(source) if source.form == "csv" else _records(source)
        try:
            for number, row in numbered:
                if isinstance(row, Rejected):
                    tally.unread(file, row)
                else:
                    tally.sending(file, number)
                    yield row
        except RowError as error:
            raise BadFile(f"{file}: {error.field}: {error.rule}") from None
        except UnicodeDecodeError:
            raise BadFile(f"{file}: not UTF-8") from None


def _csv(source: Source) -> Iterator[tuple[int, service.ImportRow | Rejected]]:
    with source.path.open(newline="", encoding="utf-8") as lines:
        yield from enumerate(csv_rows(lines))


def _records(source: Source) -> Iterator[tuple[int, service.ImportRow | Rejected]]:
    for number, record in enumerate(records_in(source.path.read_text("utf-8"))):
        try:
            rows = one_record(record, source.purposes, source.collector)
        except RowError as error:
            yield number, Rejected(number, error.field, error.rule)
            continue
        yield from ((number, row) for row in rows)
