"""The rules of the source, each on every file, and each on a file that breaks it."""

from collections.abc import Callable, Iterable

import pytest

from tests.architecture import rules
from tests.architecture.sources import Source, domains, product, python

Rule = Callable[[Source], Iterable[str]]


def test_the_environment_is_read_in_one_module_only() -> None:
    settings = "consentledger/settings.py"
    assert settings in {source.path for source in product()}
    assert [b for source in product() if source.path != settings for b in rules.environment(source)] == []


def test_domains_take_time_and_chance_as_arguments() -> None:
    assert domains(), "no domain was found to check"
    assert [b for source in domains() for b in rules.clock_or_chance(source)] == []


def test_sql_is_written_in_the_store_and_in_projections_only() -> None:
    def allowed(source: Source) -> bool:
        return source.path.startswith("consentledger/store/") or source.path.split("/")[2:3] in (
            ["projection"],
            ["projection.py"],
        )

    assert any(list(rules.sql(source)) for source in product() if allowed(source)), "no SQL was found at all"
    assert [b for source in product() if not allowed(source) for b in rules.sql(source)] == []


def test_no_file_is_longer_than_one_idea() -> None:
    assert [b for source in python() for b in rules.too_long(source)] == []


def test_every_package_maps_its_folder_and_does_nothing_else() -> None:
    assert [b for source in python() for b in rules.no_docstring(source)] == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (rules.environment, "import os\nx = os.environ['A']"),
        (rules.environment, "import os\nx = os.getenv('A')"),
        (rules.environment, "from os import environ"),
        (rules.clock_or_chance, "import time"),
        (rules.clock_or_chance, "from random import choice"),
        (rules.clock_or_chance, "from uuid import uuid4"),
        (rules.clock_or_chance, "from datetime import datetime\nx = datetime.now()"),
        (rules.clock_or_chance, "import uuid\nx = uuid.uuid4()"),
        (rules.clock_or_chance, "async def f(): ..."),
        (rules.sql, 'Q = """\n  SELECT a\n  FROM b"""'),
        (rules.sql, 'Q = f"INSERT INTO {1} VALUES ($1)"'),
        (rules.sql, 'Q = "UPDATE heads SET a = $1"'),
        (rules.too_long, "x = 1\n" * 301),
        (rules.no_docstring, "x = 1"),
        (rules.no_docstring, '"""A map."""\nimport os'),
    ],
)
def test_a_breach_is_found(rule: Rule, text: str) -> None:
    assert list(rule(Source("planted/__init__.py", text)))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (rules.environment, "import os\nx = os.getpid()"),
        (rules.clock_or_chance, "from uuid import UUID, uuid5\nfrom datetime import datetime"),
        (rules.sql, 'TEXT = "Select a purpose first"'),
        (rules.too_long, "x = 1\n" * 300),
        (rules.no_docstring, '"""A map."""'),
    ],
)
def test_what_is_allowed_is_no_breach(rule: Rule, text: str) -> None:
    assert list(rule(Source("planted/__init__.py", text))) == []
