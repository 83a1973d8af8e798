"""Catalogue files: lists of messages in protobuf JSON, brought to the server one by one.

A file is a list, or an object that has the list under its plural name; so what `list --json` prints loads again.

- An entry that cannot be read is told by its number, and by a field's name at most; nothing is sent then.
- Loading is repeatable: what stands already is left alone. It stops at the first refusal and names the entry.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from consentledger.cli import output
from consentledger.cli.failures import BadFile
from consentledger.cli.options import Options
from consentledger.errors import LedgerError

M = TypeVar("M", bound=Message)

File = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="A JSON file.")]

_UNKNOWN_FIELD = re.compile(r'has no field named "([A-Za-z]\w{0,63})"')


def entries(path: Path, kind: type[M], plural: str, key: str = "id") -> list[M]:
    """The messages of a file, in its order; `key` is the field that none may share. Raises BadFile."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError):
        raise BadFile("not JSON in UTF-8") from None
    if isinstance(found, dict):
        found = found.get(plural)
    if not isinstance(found, list):
        raise BadFile(f"neither a list nor an object with a list named {plural}")
    messages = [_message(number, entry, kind) for number, entry in enumerate(found)]
    keys = [getattr(message, key) for message in messages]
    for number, value in enumerate(keys):
        if not value or keys.index(value) != number:
            raise BadFile(f"entry {number}: {key} is empty, or was there before")
    return messages


async def load(messages: Iterable[M], name: Callable[[M], str], put: Callable[[M], Awaitable[str]]) -> list[list[str]]:
    """`put` each message; the name of each and what `put` said became of it. A refusal gets the entry's name."""
    done = []
    for message in messages:
        try:
            done.append([name(message), await put(message)])
        except LedgerError as error:
            raise LedgerError(error.reason, **(error.metadata | {"entry": name(message)})) from None
    return done


def same(left: M, right: M, *ignored: str) -> bool:
    """Whether two messages are equal but for some fields and for the order in lists, which a server may change."""
    left, right = _comparable(left, ignored), _comparable(right, ignored)
    return left == right


def show(options: Options, results: Sequence[Sequence[str]]) -> None:
    """What became of each entry."""
    if options.as_json:
        output.document({"entries": [{"id": name, "result": result} for name, result in results]})
    else:
        output.table(("id", "result"), results)


def _message(number: int, entry: object, kind: type[M]) -> M:
    if not isinstance(entry, dict):
        raise BadFile(f"entry {number}: not an object")
    try:
        return ParseDict(entry, kind())
    except ParseError as error:
        unknown = _UNKNOWN_FIELD.search(str(error))
        what = f"no field {unknown.group(1)}" if unknown else "a field has the wrong type"
        raise BadFile(f"entry {number}: not a {kind.DESCRIPTOR.name}, {what}") from None


def _comparable(message: M, ignored: Iterable[str]) -> M:
    copy = type(message)()
    copy.CopyFrom(message)
    for field in ignored:
        copy.ClearField(field)
    for _, value in copy.ListFields():
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            value.sort(key=str)  # type: ignore[attr-defined]
    return copy
