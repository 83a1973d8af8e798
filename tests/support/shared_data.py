"""Finds the vectors that lie beside the repository, in the folder `shared/data`.

Where the folder is absent the test skips and says so; with CI=true it fails instead, so that no check is silently lost.
"""

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def shared_file(name: str) -> Path:
    """The path of one shared file, `gpc/cases.json`; skips, or fails in CI, where it is absent."""
    path = _DATA / name
    if not path.is_file():
        reason = f"shared data {name} is absent"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def shared_json(name: str) -> Any:
    """One shared JSON file, parsed."""
    return json.loads(shared_file(name).read_text("utf-8"))


def shared_column(name: str, column: str) -> set[str]:
    """All values of one column of a shared CSV file."""
    with shared_file(name).open(encoding="utf-8", newline="") as file:
        return {row[column] for row in csv.DictReader(file)}
