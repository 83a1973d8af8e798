"""When a webhook is tried again, and when trying ends. Pure: time and chance come in as arguments.

- Ten attempts over three days and a few hours, by the schedule that Standard Webhooks 1.0 publishes. Each waits from
  the attempt before it, and up to a fifth longer, so that what failed together does not come back together.
- 2xx is success and nothing else is; a redirect is a failure. 410 says that the receiver wants no more: it is disabled.
- 429, 502, 503 and 504 say that it is overloaded: nothing at all is sent to it for a while.
- `Retry-After` makes a wait longer, never shorter, and at most as long as the schedule's longest.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto

DELAYS_S = (0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
"""Before each attempt, from the one before it."""
LONGEST_WAIT_S = DELAYS_S[-1]
"""The longest that `Retry-After` is followed."""
HOLD_S = 60
"""How long an overloaded receiver that names no time is left alone."""
_SPREAD = 0.2
_OVERLOADED = (429, 502, 503, 504)
_GONE = 410
_SECONDS = re.compile(r"[0-9]{1,12}")


class End(Enum):
    """Why there is no further attempt."""

    DONE = auto()
    """It was delivered."""
    DISABLED = auto()
    """The receiver wants nothing more, now or later."""
    DEAD = auto()
    """The schedule is exhausted."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again. Microseconds since the epoch."""

    at_us: int
    hold_us: int | None = None
    """Before this nothing is to be sent to that receiver, whatever it is; None if it did not ask for that."""


def next_step(attempt: int, status: int | None, retry_after: str, now_us: int, jitter: float) -> Retry | End:
    """What follows attempt number `attempt` (from 1), which ended at `now_us` with `status`; None means no answer.

    `retry_after` is the header's value, empty if there was none; `jitter` a random number, 0 <= jitter < 1.
    """
    if attempt < 1 or not 0 <= jitter < 1:
        raise ValueError("attempts count from 1, and 0 <= jitter < 1")
    if status is not None and 200 <= status < 300:
        return End.DONE
    if status == _GONE:
        return End.DISABLED
    if attempt >= len(DELAYS_S):
        return End.DEAD
    asked_us = _asked_us(retry_after, now_us)
    wait_us = max(DELAYS_S[attempt] * 1_000_000, asked_us)
    if status not in _OVERLOADED:
        return Retry(now_us + _spread(wait_us, jitter))
    hold_us = asked_us or HOLD_S * 1_000_000
    return Retry(now_us + _spread(max(wait_us, hold_us), jitter), now_us + hold_us)


def _spread(wait_us: int, jitter: float) -> int:
    return wait_us + int(wait_us * _SPREAD * jitter)


def _asked_us(retry_after: str, now_us: int) -> int:
    """How long the receiver asked us to wait: seconds or a date (RFC 9110 §10.2.3). 0 for the past and for nonsense."""
    value = retry_after.strip()
    if _SECONDS.fullmatch(value):
        wait_us = int(value) * 1_000_000
    else:
        try:
            date = parsedate_to_datetime(value)
            date = date if date.tzinfo else date.replace(tzinfo=UTC)
            wait_us = int((date - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000 - now_us
        except (ValueError, TypeError, OverflowError, IndexError):
            return 0
    return min(max(wait_us, 0), LONGEST_WAIT_S * 1_000_000)
