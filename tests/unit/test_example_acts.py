"""The acts that the example makes to import are what it says, the same each time, and fit the example catalogue."""

import csv
import itertools
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from consentledger.cli.import_records import record_rows, records_in
from consentledger.cli.imports import Rejected, csv_rows
from consentledger.regimes.load import regimes
from consentledger.v1.consent_service_pb2 import ImportRow

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def _make(folder: Path) -> Path:
    subprocess.run([sys.executable, EXAMPLES / "import" / "make_acts.py", folder], check=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _make(tmp_path_factory.mktemp("acts"))


@pytest.fixture(scope="module")
def acts(made: Path) -> list[dict[str, str]]:
    with (made / "acts.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _purposes() -> dict[str, dict[str, object]]:
    text = (EXAMPLES / "catalogue" / "purposes.json").read_text("utf-8")
    return {purpose["id"]: purpose for purpose in json.loads(text)["purposes"]}


def test_the_same_seed_makes_the_same_bytes(made: Path, tmp_path: Path) -> None:
    again = _make(tmp_path)
    for name in ("acts.csv", "records.json"):
        assert (made / name).read_bytes() == (again / name).read_bytes()


def test_every_row_and_every_record_can_be_imported(made: Path) -> None:
    with (made / "acts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv_rows(file))
    records = records_in((made / "records.json").read_text("utf-8"))
    imported = [*rows, *record_rows(records)]
    assert (len(rows), len(records)) == (10_000, 20)
    assert [row for row in imported if isinstance(row, Rejected)] == []
    assert len({row.request_id for row in imported if isinstance(row, ImportRow)}) == len(imported)


def test_the_acts_are_mixed_as_described(acts: list[dict[str, str]]) -> None:
    kinds = Counter(row["act"] for row in acts)
    assert kinds["grant"] > 7_000 and min(kinds["deny"], kinds["withdraw"], kinds["object"]) > 200
    assert 2_500 < len({(row["namespace"], row["id"]) for row in acts}) <= 3_000
    assert sum(row["purpose"] == "*" for row in acts) > 50


def test_some_acts_come_late_and_some_grants_name_no_published_notice(acts: list[dict[str, str]]) -> None:
    times = [row["occurred_at"] for row in acts]
    assert sum(later < earlier for earlier, later in itertools.pairwise(times)) > 300
    text = (EXAMPLES / "catalogue" / "notices.json").read_text("utf-8")
    published = {notice["version"]: notice["purposes"] for notice in json.loads(text)["notices"]}
    known = [row for row in acts if row["notice_version"] in published]
    assert (
        0.8 < len([row for row in known if row["act"] == "grant"]) / sum(row["act"] == "grant" for row in acts) < 0.95
    )
    assert all(row["purpose"] in published[row["notice_version"]] for row in known if row["act"] == "grant")


def test_the_acts_lie_within_three_years(acts: list[dict[str, str]]) -> None:
    times = sorted(row["occurred_at"] for row in acts)
    assert times[0][:7] == "2023-11"
    assert times[-1] < "2026-11-01"


def test_purposes_and_places_are_known_and_special_categories_are_explicit(acts: list[dict[str, str]]) -> None:
    purposes = _purposes()
    assert {row["purpose"] for row in acts} - {"*"} <= purposes.keys()
    for row in acts:
        regimes().at(row["jurisdiction"])
        if row["act"] == "grant":
            assert (row["explicit"] == "true") == bool(purposes[row["purpose"]].get("specialCategory"))


def test_nobody_in_the_acts_can_exist(acts: list[dict[str, str]]) -> None:
    assert all(row["id"].endswith("@mail.example") for row in acts if row["namespace"] == "email")
