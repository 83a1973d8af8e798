"""What a log line may hold, and that nothing else gets in."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from consentledger import journal

PERSONAL = "ada@example.org"
HOSTILE = [
    'x"}\n{"event": "forged"',
    "\r\n2025-01-01 forged",
    "\x1b[2J\x1b]0;title\x07",
    "\x00\x7f\x85\u2028\u2029",
    "\ud800",
    "a" * 100_000,
]


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    journal.configure("test", "debug", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], level = before
    root.setLevel(level)


def test_an_event_is_one_line_with_its_fields(lines: Callable[[], list[dict[str, Any]]]) -> None:
    journal.get("rpc").warning("rpc.slow", method="Check", duration_ms=1.5, position=7, stack=["a.py:1 f"])
    (line,) = lines()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "service": "test",
        "logger": "rpc",
        "event": "rpc.slow",
        "method": "Check",
        "duration_ms": 1.5,
        "position": 7,
        "stack": ["a.py:1 f"],
    }


def test_a_field_that_is_not_on_the_list_is_dropped(lines: Callable[[], list[dict[str, Any]]]) -> None:
    journal.get("rpc").info("rpc.x", subject=PERSONAL, message=PERSONAL, level=PERSONAL, fields=PERSONAL, code="OK")
    (line,) = lines()
    assert PERSONAL not in json.dumps(line)
    assert line["code"] == "OK"


@pytest.mark.parametrize("value", [ValueError(PERSONAL), {"id": PERSONAL}, PERSONAL.encode(), [1, PERSONAL], None])
def test_a_value_that_is_no_plain_scalar_is_dropped(lines: Callable[[], list[dict[str, Any]]], value: object) -> None:
    journal.get("rpc").info("rpc.x", code=value)
    (line,) = lines()
    assert "code" not in line
    assert PERSONAL not in json.dumps(line)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_know_is_dropped(lines: Callable[[], list[dict[str, Any]]], value: float) -> None:
    journal.get("rpc").info("rpc.x", duration_ms=value)
    assert "duration_ms" not in lines()[0]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_inside_its_field_of_one_short_printable_line(text: str) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    try:
        journal.configure(text, "info", stream)
        journal.get("rpc").info(text, method=text, stack=[text])
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
    written = stream.getvalue()
    assert written.endswith("\n")
    assert written[:-1].isascii() and written[:-1].isprintable()
    assert len(written) < 6_000
    line = json.loads(written)
    assert line["event"] == line["method"] == line["stack"][0] == line["service"] == text[:200]


def test_what_a_library_logs_keeps_its_place_and_loses_its_text(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    try:
        raise ValueError(PERSONAL)
    except ValueError:
        logging.getLogger("grpc").exception("failed for %s", PERSONAL)
    (line,) = lines()
    assert PERSONAL not in json.dumps(line)
    assert (line["event"], line["logger"], line["exception"]) == ("library", "grpc", "ValueError")
    assert line["stack"][0].startswith("test_journal:")


def test_events_under_the_level_are_not_written(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logging.getLogger().setLevel("WARNING")
    journal.get("rpc").info("rpc.x")
    journal.get("rpc").error("rpc.y")
    assert [line["event"] for line in lines()] == ["rpc.y"]
