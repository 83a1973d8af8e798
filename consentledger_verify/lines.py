"""The file: a header line, a line for each position, a last line (docs/export-format.md). Never holds two lines.

- Every line has one spelling, so an entry line is matched by a pattern as a whole, and no parser ever sees it.
- A line is at most 4 MiB, a leaf 65,535 bytes. There is no compression to unpack and nothing is nested.
- What cannot be read on raises Malformed, with its line; nothing else leaves from here for any content.
"""

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO

from consentledger.tlog.spelling import BadSpelling, read_base64
from consentledger.tlog.tree import LARGEST
from consentledger_verify.canonical import Malformed, read_object
from consentledger_verify.problems import Problem

FORMAT = "consent-ledger-export@v1"
LONGEST_LINE = 4 << 20
LARGEST_LEAF = 65_535
_HEADER = {
    "format": "str",
    "log": "str",
    "vkeys": "list",
    "checkpoint": "str",
    "first": "int",
    "last": "int",
    "edge": "list",
    "consistency": "list",
    "tenants": "list",
    "ciphertexts": "bool",
    "cosignatures": "str",
}
_ENTRY = re.compile(
    rb'\{"i":([1-9][0-9]{0,18}),(?:"leaf":"([A-Za-z0-9+/]+={0,2})"(?:,"ct":"([A-Za-z0-9+/]+={0,2})")?'
    rb'|"hash":"([A-Za-z0-9+/]{43}=)")\}\n'
)
_END = re.compile(rb'\{"end":(0|[1-9][0-9]{0,18}),"sha256":"([0-9a-f]{64})"\}\n')

Line = tuple[int, bytes | None, bytes | None]
"""(position, leaf, ciphertext); of a redacted one (position, None, leaf hash)."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the first line says. Nothing of it is trusted."""

    log: str
    vkeys: tuple[str, ...]
    checkpoint: bytes
    """A signed note."""
    first: int
    last: int
    """first - 1 when the log is empty."""
    edge: tuple[bytes, ...]
    consistency: tuple[bytes, ...]
    tenants: frozenset[str]
    """Those whose leaves are whole; empty for all."""
    ciphertexts: bool
    """Whether ciphertexts were asked for."""
    cosignatures: bytes
    """Further signature lines of the checkpoint."""


class ExportFile:
    """One pass over a file. `line` is the number of the newest line read, from 1."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = sha256()
        self.line = 0
        self.end: int | None = None
        """The last line's position, once it was read."""
        self.as_written = False
        """Whether the digest on the last line is that of the lines before it."""

    def header(self) -> Header:
        """The first line. Raises Malformed."""
        line = self._next()
        try:
            header = _header(line)
        except Malformed as problem:
            raise self._at(problem) from None
        self._digest.update(line)
        return header

    def entries(self) -> Iterator[Line]:
        """Every entry line, whatever its position. Raises Malformed."""
        update = self._digest.update
        while True:
            line = self._next()
            match = _ENTRY.fullmatch(line)
            if match is None:
                break
            update(line)
            position, leaf, ciphertext, leaf_hash = match.groups()
            try:
                if leaf_hash is None:
                    yield int(position), _decoded(leaf), _decoded(ciphertext) if ciphertext else None
                else:
                    yield int(position), None, _decoded(leaf_hash)
            except Malformed as problem:
                raise self._at(problem, int(position)) from None
        match = _END.fullmatch(line)
        if match is None:
            raise self._at(_diagnosed(line))
        self.end, self.as_written = int(match[1]), match[2].decode() == self._digest.hexdigest()
        if self._file.read(1):
            self.line += 1
            raise Malformed(Problem.AFTER_THE_END, "something follows the last line", line=self.line)

    def _next(self) -> bytes:
        try:
            line = self._file.readline(LONGEST_LINE + 1)
        except (OSError, ValueError):
            raise Malformed(Problem.UNREADABLE, "the file cannot be read", line=self.line + 1) from None
        self.line += 1
        if len(line) > LONGEST_LINE:
            raise Malformed(Problem.LINE_TOO_LONG, f"a line is at most {LONGEST_LINE} bytes", line=self.line)
        if not line.endswith(b"\n"):
            raise Malformed(Problem.TRUNCATED, "the file ends before its last line", line=self.line)
        return line

    def _at(self, problem: Malformed, position: int | None = None) -> Malformed:
        return Malformed(problem.problem, problem.text, line=self.line, position=position or problem.position)


def _header(line: bytes) -> Header:
    found = read_object(line, _HEADER)
    if found["format"] != FORMAT:
        raise Malformed(Problem.BAD_HEADER, f"this verifier reads {FORMAT}")
    if not (0 < found["first"] <= found["last"] <= LARGEST or (found["first"], found["last"]) == (1, 0)):
        raise Malformed(Problem.BAD_HEADER, "first and last are no range of positions")
    if found["tenants"] != sorted(set(found["tenants"])):
        raise Malformed(Problem.NOT_CANONICAL, "tenants are not sorted, or one stands twice")
    return Header(
        log=found["log"],
        vkeys=tuple(found["vkeys"]),
        checkpoint=found["checkpoint"].encode(),
        first=found["first"],
        last=found["last"],
        edge=tuple(_hash(text) for text in found["edge"]),
        consistency=tuple(_hash(text) for text in found["consistency"]),
        tenants=frozenset(found["tenants"]),
        ciphertexts=found["ciphertexts"],
        cosignatures=found["cosignatures"].encode(),
    )


def _hash(text: str) -> bytes:
    try:
        found = read_base64(text)
    except (BadSpelling, UnicodeEncodeError):
        found = b""
    if len(found) != 32:
        raise Malformed(Problem.BAD_HEADER, "a hash is 32 bytes in base64")
    return found


def _decoded(text: bytes) -> bytes:
    try:
        data = a2b_base64(text, strict_mode=True)
    except ValueError:
        raise Malformed(Problem.NOT_CANONICAL, "not base64") from None
    if b2a_base64(data, newline=False) != text:  # bits that belong to no byte
        raise Malformed(Problem.NOT_CANONICAL, "not the one spelling in base64")
    return data


def _diagnosed(line: bytes) -> Malformed:
    """Why this is neither an entry line nor the last one."""
    shapes: tuple[dict[str, str], ...] = (
        {"i": "int", "leaf": "str"},
        {"i": "int", "leaf": "str", "ct": "str"},
        {"i": "int", "hash": "str"},
        {"end": "int", "sha256": "str"},
    )
    reasons = list[Malformed]()
    for shape in shapes:
        try:
            found = read_object(line, shape)
        except Malformed as reason:
            reasons.append(reason)
        else:
            return Malformed(Problem.NOT_CANONICAL, "a value is not spelled as it must be", position=found.get("i"))
    # The shape that came furthest tells most.
    return max(reasons, key=lambda reason: list(Problem).index(reason.problem))
