"""What is said about an error, and the exit code that it ends with.

- An identifier is never repeated: arguments are named, their values are not; of a refusal only the reason and known
  metadata are shown.
- Exit codes: 0 done, 1 refused, 2 wrong usage, 3 the server gave no answer, 4 a check that is NOT_ALLOWED.
- After a write without an answer its request_id is shown: with `--request-id` the same act can be repeated safely.
"""

import json
import sys
from enum import IntEnum
from traceback import extract_tb

import typer

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.errors import to_status

UNANSWERED = frozenset({Reason.STORE_UNAVAILABLE, Reason.SHUTTING_DOWN, Reason.DEADLINE_EXCEEDED})
"""The reasons that leave the caller without an answer."""

_SHOWN = ("entry", "field", "rule", "purpose", "limit", "ref")
_LONGEST = 200


class ExitCode(IntEnum):
    """How the command ends."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_ALLOWED = 4
    INTERRUPTED = 130


class Misuse(typer.BadParameter):
    """A wrong argument, in words of our own that never quote it."""


class BadFile(Exception):
    """A file that cannot be used. The text names its place and rule, never its content."""


class Unanswered(Exception):
    """The server could not be reached, or gave no answer. `request_id` is that of the write, if it was one."""

    def __init__(self, reason: Reason | None = None, request_id: str = "") -> None:
        super().__init__()
        self.reason = reason
        self.request_id = request_id


def report(error: LedgerError | Unanswered | BadFile, *, as_json: bool) -> ExitCode:
    """Say it on stderr, in words or as one JSON document; returns the code to end with."""
    code = ExitCode.UNREACHABLE if isinstance(error, Unanswered) else ExitCode.REFUSED
    if as_json:
        print(json.dumps({"error": _fields(error)}), file=sys.stderr)
    else:
        print(_sentence(error), file=sys.stderr)
    return code


def explain_usage(error: typer.TyperException) -> ExitCode:
    """Say on stderr what is wrong with the arguments. The parser's own texts quote them, so they are not used."""
    context = getattr(error, "ctx", None)
    if context is not None and error.message == context.get_help():
        print(error.message, file=sys.stderr)
        return ExitCode.USAGE
    print(f"usage: {_usage(error)}", file=sys.stderr)
    if context is not None:
        print(f"Try '{context.command_path} --help'.", file=sys.stderr)
    return ExitCode.USAGE


def explain_defect(error: Exception) -> ExitCode:
    """Say on stderr where the command itself failed: type and places, no text, since texts quote values."""
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
    print(f"defect: {type(error).__name__} at {' '.join(places[-5:])}", file=sys.stderr)
    return ExitCode.REFUSED


def _usage(error: typer.TyperException) -> str:
    if isinstance(error, Misuse):
        return error.format_message()
    parameter = getattr(error, "param", None)
    if parameter is not None:
        missing = type(error).__name__ == "MissingParameter"
        return f"{'missing' if missing else 'not a valid value for'} {parameter.get_error_hint()}"
    possible = getattr(error, "possibilities", None)
    if possible:
        return f"no such option; did you mean {' or '.join(sorted(possible))}?"
    return "no such command or option, or the wrong number of arguments"


def _fields(error: LedgerError | Unanswered | BadFile) -> dict[str, object]:
    if isinstance(error, BadFile):
        return {"reason": "BAD_FILE", "message": str(error)}
    if isinstance(error, Unanswered):
        fields = {"reason": error.reason.value if error.reason else "UNREACHABLE", "request_id": error.request_id}
        return {key: value for key, value in fields.items() if value}
    return {"reason": error.reason.value, "metadata": dict(_known(error))}


def _sentence(error: LedgerError | Unanswered | BadFile) -> str:
    if isinstance(error, BadFile):
        return f"file: {error}"
    if isinstance(error, LedgerError):
        details = "".join(f" {key}: {value}" for key, value in _known(error))
        return f"refused: {error.reason.value}. {to_status(LedgerError(error.reason)).details}{details}"
    said = "cannot reach the server" if error.reason is None else f"no answer: {error.reason.value}"
    if error.request_id and error.reason is not None:
        said += f"; whether it was written is unknown; its request_id is {error.request_id}"
    return said


def _known(error: LedgerError) -> list[tuple[str, str]]:
    found = [(key, error.metadata[key]) for key in _SHOWN if error.metadata.get(key)]
    return [(key, "".join(c if c.isprintable() else "?" for c in value)[:_LONGEST]) for key, value in found]
