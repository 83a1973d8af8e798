"""When and where a command is decided. Pure: the committer makes it while it holds the log's head.

`recorded_at` strictly increases along the log, also within one command, so that two acts never tie by arrival.
"""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment:
    """A place in the log that moves on with each event taken."""

    __slots__ = ("epoch", "position", "recorded_us", "timestamp")

    def __init__(self, position: int, recorded_us: int, epoch: int) -> None:
        self.position = position
        """The newest position taken; the log's head at first."""
        self.recorded_us = recorded_us
        """The time of the next event, microseconds since the epoch."""
        self.epoch = epoch
        """The log's epoch, for consistency tokens."""
        self.timestamp = _EPOCH + timedelta(microseconds=recorded_us)

    def take(self) -> tuple[int, int]:
        """(position, recorded_us) of the next event."""
        self.position += 1
        recorded_us = self.recorded_us
        self.recorded_us += 1
        return self.position, recorded_us

    def back(self, position: int, recorded_us: int) -> None:
        """Give back what a refused command took."""
        self.position = position
        self.recorded_us = recorded_us
