"""JSON with one spelling: an object a line, no spaces, keys in a fixed order, escapes only where JSON needs them. Pure.

Of entry lines this is the slow way, taken only to say what is wrong with one; see `lines`.
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from consentledger_verify.problems import Problem


class Malformed(Exception):
    """The file cannot be read on from here."""

    def __init__(self, problem: Problem, text: str, *, line: int = 0, position: int | None = None) -> None:
        super().__init__(text)
        self.problem = problem
        self.text = text
        self.line = line
        self.position = position


def read_object(line: bytes, kinds: Mapping[str, str]) -> dict[str, Any]:
    """The object on a line that ends in a newline: exactly these keys, in this order, each of this kind: `str`, `int`
    (0 or more), `bool` or `list` (of texts). Raises Malformed."""
    try:
        found = json.loads(line, object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float)
    except RecursionError:
        raise Malformed(Problem.NOT_JSON, "nested too deeply") from None
    except ValueError:
        raise Malformed(Problem.NOT_JSON, "not JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise Malformed(Problem.WRONG_TYPE, "not an object")
    if more := found.keys() - kinds.keys():
        raise Malformed(Problem.UNKNOWN_KEY, f"{len(more)} unknown keys" if len(more) > 1 else "an unknown key")
    for key, kind in kinds.items():
        if key not in found:
            raise Malformed(Problem.MISSING_KEY, f"{key} is missing")
        if not _is(found[key], kind):
            raise Malformed(Problem.WRONG_TYPE, f"{key} is not of the kind that belongs there")
    try:
        same = list(found) == list(kinds) and spell(found) == line
    except ValueError:  # a lone surrogate
        same = False
    if not same:
        raise Malformed(Problem.NOT_CANONICAL, "not the one spelling of the line")
    return found


def spell(found: Mapping[str, Any]) -> bytes:
    """The line of an object, its newline included."""
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _is(value: Any, kind: str) -> bool:
    # `type`, since True is an int.
    if kind == "int":
        return type(value) is int and value >= 0
    if kind == "list":
        return type(value) is list and all(type(one) is str for one in value)
    return type(value).__name__ == kind


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed(Problem.DUPLICATE_KEY, "a key stands twice")
    return found


def _no_float(text: str) -> NoReturn:
    raise Malformed(Problem.WRONG_TYPE, "a number that is no whole number")
