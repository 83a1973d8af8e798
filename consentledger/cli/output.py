"""Answers on stdout: tables and lines for people, protobuf JSON for programs.

- JSON has snake_case names and every field that is not a message, empty ones too; 64-bit numbers are texts, as
  protobuf JSON has them. Streams are one document a line.
- Times are UTC, ISO 8601.
- No colour unless stdout is a terminal. Elsewhere tables are as wide as their content, so that nothing is cut.
- What came from others is shown as text: no markup, no control characters.
"""

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 10_000
_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = {"\u200c", "\u200d"}


def console(*, stderr: bool = False) -> Console:
    """A console for one answer; made anew, so that it writes to where stdout points now."""
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(
        stderr=stderr,
        markup=False,
        highlight=False,
        emoji=False,
        force_terminal=terminal,
        color_system="auto" if terminal else None,
        width=None if terminal else _WIDE,
    )


def as_dict(message: Message) -> dict[str, Any]:
    """Protobuf JSON with the names of the .proto files."""
    fields: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return fields


def document(answer: Message | Mapping[str, Any]) -> None:
    """One JSON document."""
    print(json.dumps(as_dict(answer) if isinstance(answer, Message) else answer, indent=2))


def json_line(answer: Message | Mapping[str, Any]) -> str:
    """One line of JSON, without its end."""
    return json.dumps(as_dict(answer) if isinstance(answer, Message) else answer, separators=(",", ":"))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table; one line a row wherever stdout is not a terminal. On one, columns without content are left out."""
    target = console()
    cells = [[plain(cell) for cell in row] for row in rows]
    grid = Table(box=box.SIMPLE_HEAD if target.is_terminal else None, pad_edge=False)
    kept = [n for n in range(len(columns)) if not (target.is_terminal and cells) or any(row[n] for row in cells)]
    for n in kept:
        grid.add_column(columns[n].upper(), overflow="fold")
    for row in cells:
        grid.add_row(*(Text(row[n]) for n in kept))
    target.print(grid)


def pairs(fields: Iterable[tuple[str, str]]) -> None:
    """Names and values, one pair a line; what is empty is left out."""
    target = console()
    grid = Table.grid(padding=(0, 2))
    for name, value in fields:
        if value:
            grid.add_row(Text(name), Text(plain(value), overflow="fold"))
    target.print(grid)


def line(text: str) -> None:
    """One line of text, at once, so that a reader of a pipe sees it."""
    print(plain(text), flush=True)


def plain(text: str) -> str:
    """The text without what could steer a terminal or turn the direction of reading."""
    safe = (c if c in _JOINERS or unicodedata.category(c) not in _UNSAFE else "\ufffd" for c in text)
    return "".join(safe)


def moment(message: Message, field: str) -> str:
    """A time of a message as `2025-01-31T09:30:00Z`; empty when it is not set."""
    if not message.HasField(field):
        return ""
    stamp: Timestamp = getattr(message, field)
    return stamp.ToJsonString()


def word(enum: EnumTypeWrapper, value: int, prefix: str) -> str:
    """The name of an enum's value without its prefix; a value of a newer server as its number."""
    return enum.Name(value).removeprefix(prefix) if value in enum.values() else str(value)


def number(value: int) -> str:
    """A position; empty for 0, which means none."""
    return str(value) if value else ""
