"""What the documents say is there: commands, links, tests and fields."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, files, name

MARKDOWN = [name(path) for path in files() if path.suffix == ".md"]
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
PROMISES = [f"P{number}" for number in range(1, 11)]
COMING = "not yet"


@pytest.mark.parametrize("document", MARKDOWN)
def test_commands_are_in_the_makefile(document: str) -> None:
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", _text(document), re.DOTALL))
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", code)) <= TARGETS


@pytest.mark.parametrize("document", MARKDOWN)
def test_links_lead_to_files(document: str) -> None:
    links = re.findall(r"\]\((?!https?://|mailto:|#)([^)#\s]+)", _text(document))
    assert [link for link in links if not ((ROOT / document).parent / link).exists()] == []


def test_every_target_is_described_to_the_reader() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert set(phony.group(1).split()) == TARGETS


@pytest.mark.parametrize("promise", PROMISES)
def test_each_promise_names_tests_that_exist_or_says_that_none_does(promise: str) -> None:
    row = re.search(rf"^\| {promise} \w+ \|.*$", _text("docs/promises.md"), re.MULTILINE)
    assert row is not None, f"{promise} has no row"
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row.group())
    assert bool(named) != (COMING in row.group()), f"{promise} must name its tests or say '{COMING}', not both"
    assert [f"{file}::{test}" for file, test in named if test not in _functions(ROOT / file)] == []


def test_the_readme_calls_what_the_contract_has() -> None:
    code = re.findall(r"```python\n(.*?)```", _text("README.md"), re.DOTALL)
    assert code, "the README shows no call"
    calls = [node for text in code for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    messages = _messages()
    made = [(call.func.attr, call) for call in calls if isinstance(call.func, ast.Attribute)]
    used = [(message, call) for message, call in made if message in messages]
    assert used, "the README builds no message"
    for message, call in used:
        assert {keyword.arg for keyword in call.keywords} <= messages[message], message


def _text(document: str) -> str:
    return (ROOT / document).read_text("utf-8")


def _functions(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, functions)}


def _messages() -> dict[str, set[str]]:
    """Each message of the protos, with the names of its fields."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "protos").rglob("*.proto")):
        for message, body in re.findall(
            r"^message (\w+) \{(.*?)^\}", path.read_text("utf-8"), re.DOTALL | re.MULTILINE
        ):
            found[message] = set(re.findall(r"(\w+) = \d+;", body))
    return found
