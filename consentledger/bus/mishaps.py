"""What the library reports out of band, sorted and told to the journal. Cannot raise: a callback that did would stop
nats-py from reconnecting.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress

from consentledger.bus.wire import shorten

Journal = Callable[[str, Mapping[str, str]], None]
"""Takes an event's name, such as `bus.denied`, and fields that are safe to log."""

_VIOLATION = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"')
_REFUSALS = ("authorization violation", "authentication", "user revoked", "maximum connections")


def unheard(event: str, fields: Mapping[str, str]) -> None:
    """The journal of a caller who wants none."""


class Mishaps:
    """The mishaps of one connection. `denied` is called with the subject of each publication that was denied."""

    def __init__(self, journal: Journal, denied: Callable[[str], None]) -> None:
        self._journal = journal
        self._denied = denied
        self._reported = ""
        self.refused = False
        """Whether the last attempt to connect failed for our credentials."""

    def tell(self, event: str, **fields: str) -> None:
        """Pass an event on."""
        with suppress(Exception):
            self._journal(event, fields)

    def mended(self) -> None:
        """The connection is up: what was reported is news again when it recurs."""
        self.refused, self._reported = False, ""

    async def note(self, error: Exception) -> None:
        """Take what the library reports: its `error_cb`."""
        text = str(error).lower()
        if violation := _VIOLATION.search(text):
            operation, subject = violation.groups()
            self.tell("bus.denied", operation=operation, subject=shorten(subject))
            if operation == "publish":
                with suppress(Exception):
                    self._denied(subject)
        elif any(refusal in text for refusal in _REFUSALS):
            self.refused = True
            self._tell_once("bus.refused")
        else:
            self._tell_once("bus.error", error=type(error).__name__)

    def _tell_once(self, event: str, **fields: str) -> None:
        # While the server is away the same failure repeats ten times a second.
        if (said := f"{event}{fields}") != self._reported:
            self._reported = said
            self.tell(event, **fields)
