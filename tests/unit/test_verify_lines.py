"""The form of an export: what is read, what is refused, and that the product writes what docs/export-format.md says."""

import io
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consentledger_verify.canonical import Malformed
from consentledger_verify.lines import LONGEST_LINE, ExportFile
from consentledger_verify.problems import Problem
from tests.support.madeexport import Case, Parties, finished
from tests.support.madelog import made_log

CHANCE = random.Random(11)
CASE = Case.of(made_log(CHANCE, 6), Parties.of(CHANCE))
DOCS = Path(__file__).parents[2] / "docs" / "export-format.md"


def read(data: bytes) -> ExportFile:
    file = ExportFile(io.BytesIO(data))
    file.header()
    for _ in file.entries():
        pass
    return file


def refusal(data: bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        read(data)
    return caught.value


def test_an_export_reads_as_what_was_written() -> None:
    file = ExportFile(io.BytesIO(CASE.file(2, 5, 6, tenants=["acme"])))
    header = file.header()
    assert (header.first, header.last, header.tenants, header.ciphertexts) == (2, 5, frozenset({"acme"}), True)
    assert header.checkpoint == CASE.note(6)
    for (position, leaf, more), entry in zip(file.entries(), CASE.log.at(6)[1:5], strict=True):
        assert position == entry.position
        if entry.tenant == "acme":
            assert (leaf, more) == (entry.leaf, entry.ciphertext)
        else:
            assert (leaf, more) == (None, CASE.hashes[position - 1])
    assert (file.end, file.as_written, file.line) == (5, True, 6)


def test_an_empty_log_has_two_lines() -> None:
    data = CASE.file(1, 0, 0)
    assert data.count(b"\n") == 2 and read(data).end == 0


def header_of(change: Callable[[dict[str, Any]], object]) -> bytes:
    parts = CASE.export()
    change(parts.header)
    return parts.data()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda h: h.update(format="consent-ledger-export@v2"), Problem.BAD_HEADER),
        (lambda h: h.update(first=0), Problem.BAD_HEADER),
        (lambda h: h.update(first=7), Problem.BAD_HEADER),
        (lambda h: h.update(first=1, last=0) or h.update(first=2), Problem.BAD_HEADER),
        (lambda h: h.update(last=2**63), Problem.BAD_HEADER),
        (lambda h: h.update(first=-1), Problem.WRONG_TYPE),
        (lambda h: h.update(first=True), Problem.WRONG_TYPE),
        (lambda h: h.update(first="1"), Problem.WRONG_TYPE),
        (lambda h: h.update(ciphertexts=1), Problem.WRONG_TYPE),
        (lambda h: h.update(log=None), Problem.WRONG_TYPE),
        (lambda h: h.update(vkeys=[1]), Problem.WRONG_TYPE),
        (lambda h: h.update(vkeys="abc"), Problem.WRONG_TYPE),
        (lambda h: h.update(tenants=["b", "a"]), Problem.NOT_CANONICAL),
        (lambda h: h.update(tenants=["a", "a"]), Problem.NOT_CANONICAL),
        (lambda h: h.update(edge=["AAAA"]), Problem.BAD_HEADER),
        (lambda h: h.update(edge=["é"]), Problem.BAD_HEADER),
        (lambda h: h.update(consistency=["A" * 42 + "B="]), Problem.BAD_HEADER),
        (lambda h: h.pop("cosignatures"), Problem.MISSING_KEY),
        (lambda h: h.update(more=1), Problem.UNKNOWN_KEY),
        (lambda h: h.update(log=h.pop("log")), Problem.NOT_CANONICAL),
    ],
)
def test_a_header_of_another_form_is_refused(change: Callable[[dict[str, Any]], object], problem: Problem) -> None:
    caught = refusal(header_of(change))
    assert (caught.problem, caught.line) == (problem, 1)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"\n", Problem.NOT_JSON),
        (b"null\n", Problem.WRONG_TYPE),
        (b"[]\n", Problem.WRONG_TYPE),
        (b'{"i":3,"leaf":"AA==","leaf":"AA=="}\n', Problem.DUPLICATE_KEY),
        (b'{"i":3,"leaf":"AA=="}\r\n', Problem.NOT_CANONICAL),
        (b'{"i":3, "leaf":"AA=="}\n', Problem.NOT_CANONICAL),
        (b'{"leaf":"AA==","i":3}\n', Problem.NOT_CANONICAL),
        (b'{"i":3,"leaf":"A\\u0041=="}\n', Problem.NOT_CANONICAL),
        (b'{"i":3,"leaf":"AB=="}\n', Problem.NOT_CANONICAL),
        (b'{"i":3,"leaf":"AAA"}\n', Problem.NOT_CANONICAL),
        (b'{"i":3,"leaf":"A-A="}\n', Problem.NOT_CANONICAL),
        (b'{"i":3,"leaf":""}\n', Problem.NOT_CANONICAL),
        (b'{"i":0,"leaf":"AA=="}\n', Problem.NOT_CANONICAL),
        (b'{"i":99999999999999999999,"leaf":"AA=="}\n', Problem.NOT_CANONICAL),
        (b'{"i":%b,"leaf":"AA=="}\n' % (b"9" * 5000), Problem.NOT_JSON),
        (b'{"i":3,"hash":"AAAA"}\n', Problem.NOT_CANONICAL),
        (b'{"i":3,"leaf":"AA==","hash":"AA=="}\n', Problem.UNKNOWN_KEY),
        (b'{"i":3,"leaf":"\\ud800"}\n', Problem.NOT_CANONICAL),
        (b'{"i":3,"leaf":"\xff"}\n', Problem.NOT_JSON),
        (b'{"i":NaN,"leaf":"AA=="}\n', Problem.WRONG_TYPE),
        (b'{"end":6,"sha256":"AB"}\n', Problem.NOT_CANONICAL),
        (b"[" * 1_000_000 + b"\n", Problem.NOT_JSON),
        (b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"\n", Problem.NOT_JSON),
        (b'{"i":3,"leaf":"' + b"A" * LONGEST_LINE + b'"}\n', Problem.LINE_TOO_LONG),
    ],
    ids=lambda value: None if isinstance(value, Problem) else repr(value[:40]),
)
def test_a_line_of_another_form_is_refused_with_its_number(line: bytes, problem: Problem) -> None:
    lines = CASE.export().lines()
    lines[3] = line
    caught = refusal(finished(lines, 6))
    assert (caught.problem, caught.line) == (problem, 4)
    if line == b'{"i":3,"leaf":"AB=="}\n':
        assert caught.position == 3


def test_a_file_that_ends_early_or_late_is_refused() -> None:
    data = CASE.file()
    assert refusal(b"").problem is Problem.TRUNCATED
    assert refusal(data[:-1]).problem is Problem.TRUNCATED
    late = refusal(data + b"\n")
    assert (late.problem, late.line) == (Problem.AFTER_THE_END, 9)
    body = data[: data.rindex(b'{"end"')]
    assert refusal(body).problem is Problem.TRUNCATED
    assert refusal(data + data).problem is Problem.AFTER_THE_END


def test_a_digest_of_something_else_is_read_and_told() -> None:
    data = CASE.file()
    other = b"0" if data[-4:-3] != b"0" else b"1"
    assert read(data).as_written and not read(data[:-4] + other + data[-3:]).as_written


def test_the_document_shows_the_form_as_it_is_written() -> None:
    examples = [json.loads(line) for line in re.findall(r"^\{.*\}$", DOCS.read_text("utf-8"), re.MULTILINE)]
    written = [json.loads(line) for line in CASE.file(tenants=["acme"]).splitlines()]
    shapes = {tuple(line) for line in written} | {("i", "leaf"), ("i", "leaf", "ct")}
    assert {tuple(example) for example in examples} == shapes
