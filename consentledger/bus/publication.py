"""What the outbox publishes, from where, and the states that publishing can be in. No I/O here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from consentledger.bus.errors import BusDenied, BusError, JetStreamError, MessageTooLarge

_LOST_RACE = (10071, 10164, 10201)
_BATCH_CUT_SHORT = (10175, 10176)
_STREAM_FULL = (10077, 10047, 10023)
_MESSAGE_TOO_LARGE = (10054, 10097)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message of the log."""

    sequence: int
    """Its position, which becomes its stream sequence."""
    subject: str
    headers: Mapping[str, str]
    """Holds `Nats-Msg-Id`, which names the event: the same for the same event, for ever."""
    payload: bytes


class LogSource(Protocol):
    """A dense log. Reads see everything that was committed before them."""

    async def after(self, position: int, limit: int) -> Sequence[Outgoing]:
        """The messages behind `position`, in order and without gaps, at most `limit`."""


class PublisherState(StrEnum):
    """What the publisher is doing. All but the first three are alarms."""

    STARTING = "starting"
    RUNNING = "running"
    DISCONNECTED = "disconnected"
    """NATS does not answer; tried again for ever. How far the log is ahead tells when this becomes an alarm."""
    STREAM_BEHIND = "stream-behind"
    """The stream lost its end; it is being published again."""
    STREAM_ABSENT = "stream-absent"
    STREAM_FULL = "stream-full"
    MESSAGE_TOO_LARGE = "message-too-large"
    DENIED = "denied"
    """Our credentials do not allow publishing."""
    REJECTED = "rejected"
    """The server answers with an error that we do not know."""
    LOG_GAP = "log-gap"
    """The source did not return the position that follows."""
    LOG_UNAVAILABLE = "log-unavailable"
    """The source failed."""
    FORK = "fork"
    """Stream and log have different histories. Ends publishing until a restart."""

    @property
    def alarming(self) -> bool:
        """Whether someone must look."""
        return self not in (self.STARTING, self.RUNNING, self.DISCONNECTED)


class Halt(Exception):
    """Publishing cannot go on; `state` says why."""

    def __init__(self, state: PublisherState) -> None:
        super().__init__(state.value)
        self.state = state


def state_of(error: Exception) -> PublisherState | None:
    """The state that an error means; None for a lost race or a batch cut by a restart, which only ask for a resync."""
    match error:
        case Halt():
            return error.state
        case MessageTooLarge():
            return PublisherState.MESSAGE_TOO_LARGE
        case BusDenied():
            return PublisherState.DENIED
        case JetStreamError() if error.err_code in _LOST_RACE + _BATCH_CUT_SHORT:
            return None
        case JetStreamError() if error.err_code in _STREAM_FULL:
            return PublisherState.STREAM_FULL
        case JetStreamError() if error.err_code in _MESSAGE_TOO_LARGE:
            return PublisherState.MESSAGE_TOO_LARGE
        case JetStreamError() if error.code == 503:
            return PublisherState.DISCONNECTED
        case JetStreamError():
            return PublisherState.REJECTED
        case BusError():
            return PublisherState.DISCONNECTED
        case _:
            return PublisherState.LOG_UNAVAILABLE
