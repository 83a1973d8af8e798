"""The parts of a person's archive that need no service: rows that run nothing, and a ZIP written piece by piece."""

import csv
import io
import random
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest

from services.consent.export.events import COLUMNS, csv_head, csv_row
from services.consent.export.readme import readme
from services.consent.export.zipping import StreamedZip

EVENT: dict[str, Any] = {
    "position": 7,
    "type": "consent.withdrawn.v1",
    "recorded_at": "2026-01-01T00:00:00Z",
    "linked": False,
    "header": {"act": {"method": "phone", "revoked_purposes": ["a"]}, "purposes": ["a", "b"]},
}


def cells(event: dict[str, Any]) -> dict[str, str]:
    text = (csv_head() + csv_row(event)).decode("utf-8-sig")
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    return row


def test_a_row_has_every_column_and_keeps_what_has_none() -> None:
    row = cells(EVENT)
    assert tuple(row) == COLUMNS
    assert (row["purposes"], row["method"], row["linked"]) == ("a b", "phone", "")
    assert row["everything_else"] == '{"revoked_purposes": ["a"]}'
    assert EVENT["header"]["act"]["method"] == "phone", "the event itself was changed"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_starts_a_formula(start: str) -> None:
    for name in ("note", "reason", "user_agent", "ip", "actor"):
        assert cells(EVENT | {"personal": {name: f"{start}1+1"}})[name] == f"'{start}1+1"


def test_an_ordinary_cell_is_left_alone() -> None:
    assert cells(EVENT | {"personal": {"note": 'a "quoted", line\nand = one more'}})["note"] == (
        'a "quoted", line\nand = one more'
    )


def test_a_zip_comes_in_portions_and_keeps_nothing_that_was_taken() -> None:
    zipped, portions = StreamedZip(datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)), list[bytes]()
    zipped.put("a.txt", b"first")
    portions.append(zipped.take())
    assert portions[0] and zipped.take() == b""
    chance = random.Random(0)  # what does not shrink
    with zipped.file("dir/b.bin") as file:
        for _ in range(200):
            file.write(chance.randbytes(5_000))
            portions.append(zipped.take())
    assert sum(map(bool, portions)) > 5
    zipped.close()
    portions.append(zipped.take())
    with zipfile.ZipFile(io.BytesIO(b"".join(portions))) as archive:
        assert archive.testzip() is None and archive.namelist() == ["a.txt", "dir/b.bin"]
        assert archive.read("a.txt") == b"first" and archive.getinfo("dir/b.bin").file_size == 1_000_000
        assert archive.getinfo("a.txt").date_time == (2026, 1, 2, 3, 4, 6)


def test_the_text_names_the_controller_and_the_time() -> None:
    said = readme("Acme & Töchter", "2026-01-02 03:04:05").decode()
    assert "Acme & Töchter" in said and "2026-01-02 03:04:05" in said and "{" not in said
    assert max(map(len, said.splitlines())) <= 100
