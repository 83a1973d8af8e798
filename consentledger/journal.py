"""What the services say about themselves: JSON lines with fields from a fixed list.

Not here: any way to log free text. A sentence can hold an identifier, so there are none; an event has a name.

- A field that is not in `FIELDS` is dropped; so is a value that is not a str, int, float, bool, or list of str.
- Strings are cut at 200 characters; control and non-ASCII characters leave escaped, so one event is always one line.
- What other libraries log keeps its logger, level, place and exception type. Their text is dropped: it may quote data.

>>> journal.get("rpc").error("rpc.internal", method="CheckConsent", ref="6f1c...")
{"time": "2025-01-01T00:00:00.000Z", "level": "error", "service": "consent", "logger": "rpc", "event": ...}
"""

import json
import logging
import math
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

FIELDS = frozenset(
    ("code", "count", "duration_ms", "exception", "method", "port", "position", "reason", "ref", "stack", "status")
)
"""The names that an event may carry besides time, level, service, logger and event. None may hold a person's data."""

_LONGEST = 200
_ROOT = "consentledger"


class Journal:
    """Writes the events of one part of a service."""

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, **fields: object) -> None:
        """Record what only a developer wants to see."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Record a normal change of the service's condition."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Record what an operator should look at some day."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Record what an operator should look at now."""
        self._write(logging.ERROR, event, fields)

    def _write(self, level: int, event: str, fields: dict[str, object]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "", extra={"event": event, "fields": fields})


class _Lines(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line: dict[str, Any] = {
            "time": time,
            "level": record.levelname.lower(),
            "service": _clean(self._service),
            "logger": _clean(record.name.removeprefix(f"{_ROOT}.")),
        }
        event = getattr(record, "event", None)
        if isinstance(event, str):
            line["event"] = _clean(event)
            line |= _allowed(getattr(record, "fields", {}))
        else:
            line["event"] = "library"
            line["stack"] = [_clean(f"{record.module}:{record.lineno}")]
            if record.exc_info and record.exc_info[0] is not None:
                line["exception"] = record.exc_info[0].__name__
        # DEL is the one control character that JSON leaves as it is.
        return json.dumps(line, allow_nan=False).replace("\x7f", "\\u007f")


def configure(service: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every event of this process, and what libraries log, to `stream` (stderr by default) as JSON lines.

    `level` is a name of the logging module, in any case; ValueError for another. Calling it again replaces the first.
    """
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(_Lines(service))
    root = logging.getLogger()
    root.setLevel(level.upper())
    root.handlers[:] = [handler]


def get(name: str) -> Journal:
    """The journal of one part: `get("rpc")`."""
    return Journal(logging.getLogger(f"{_ROOT}.{name}"))


def _allowed(fields: dict[str, object]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for name, value in fields.items():
        if name not in FIELDS:
            continue
        if isinstance(value, str):
            kept[name] = _clean(value)
        elif isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
            kept[name] = value
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            kept[name] = [_clean(item) for item in value]
    return kept


def _clean(text: str) -> str:
    # A subclass of str may print as something else; only plain text goes out.
    return str.__str__(text)[:_LONGEST]
