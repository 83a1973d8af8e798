"""docs/insider.md and docs/verify.md name classes of tampering and of problems: they exist, and none is left out."""

import re
from pathlib import Path

from consentledger_verify.problems import CHECK_OF, Caution
from tests.support.tampering.classes import CLASSES

DOCS = Path(__file__).parents[2] / "docs"


def named(document: str, pattern: str) -> set[str]:
    return set(re.findall(pattern, (DOCS / document).read_text("utf-8")))


def test_each_row_names_classes_that_exist() -> None:
    shown = named("insider.md", r"`((?:content|sequence|checkpoint|insider|form)\.\w+)`")
    assert shown and shown <= CLASSES.keys()


def test_everything_that_an_insider_with_keys_does_is_in_the_table() -> None:
    shown = named("insider.md", r"`(insider\.\w+)`")
    assert shown == {name for name in CLASSES if name.startswith("insider.")}


def test_every_class_of_problem_is_explained_to_auditors() -> None:
    explained = named("verify.md", r"`([A-Z][A-Z_]+)`")
    assert explained == {*map(str, CHECK_OF), *map(str, Caution)}


def test_every_check_is_explained_to_auditors() -> None:
    explained = {
        row.split("|")[1].strip() for row in (DOCS / "verify.md").read_text("utf-8").splitlines() if "|" in row
    }
    assert {str(check) for check in CHECK_OF.values()} <= explained
