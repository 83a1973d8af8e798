"""Global Privacy Control (W3C): reads the `Sec-GPC` header and the `/.well-known/gpc.json` resource.

Pure. How to record a signal, and where it counts, is not here.

- The signal is on exactly when some `Sec-GPC` header is "1"; every other value is ignored.
- An absent signal says nothing: it is no opt-in, and it ends no signal that was on.
- Of the resource, what cannot be read is unknown, and so never support.

    gpc_on(["1", "0"])                     -> True
    support_resource(b'{"gpc": true}').gpc -> True
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})")


@dataclass(frozen=True, slots=True)
class SupportResource:
    """What a site says of its support for GPC."""

    gpc: bool | None
    """True: it honours the signal. False: it does not. None: unknown."""
    last_update: date | None
    """When the site last changed its statement, a date or an aware datetime; None: unknown."""


def gpc_on(header_values: Sequence[str]) -> bool:
    """True when one of the `Sec-GPC` header values, without optional whitespace (RFC 9110 §5.6.3), is "1"."""
    return any(value.strip(" \t") == "1" for value in header_values)


def support_resource(body: bytes) -> SupportResource:
    """Reads the body of `/.well-known/gpc.json`. Never raises: what is not as specified is unknown."""
    try:
        statement = json.loads(body)
    except (ValueError, RecursionError):
        statement = None
    if not isinstance(statement, dict):
        return SupportResource(gpc=None, last_update=None)
    gpc = statement.get("gpc")
    return SupportResource(
        gpc=gpc if isinstance(gpc, bool) else None, last_update=_last_update(statement.get("lastUpdate"))
    )


def _last_update(text: object) -> date | None:
    """An RFC 3339 full-date or date-time; the forms that only ISO 8601 knows are not taken."""
    if not isinstance(text, str):
        return None
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
        return datetime.fromisoformat(text.upper()) if _DATE_TIME.fullmatch(text) else None
    except ValueError:
        return None
