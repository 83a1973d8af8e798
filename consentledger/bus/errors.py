"""What can go wrong between us and NATS: one small tree, so that no library's exception travels further.

Pure: no I/O. The rules:

- `BusUnavailable` says nothing about the outcome: a request that timed out may have been carried out, also later.
- Messages carry codes and names of streams, never a payload, a header or a message's subject.
"""


class BusError(Exception):
    """Anything that the bus can raise."""


class BusUnavailable(BusError):
    """Not connected, no responder, or no answer in time. What was asked may or may not have happened."""


class BusRefused(BusError):
    """The server did not accept our credentials."""


class BusDenied(BusError):
    """The server does not allow us this subject. Nothing happened."""


class MessageTooLarge(BusError):
    """Headers and payload together exceed the server's `max_payload`. Nothing was sent."""


class JetStreamError(BusError):
    """An error answer of the JetStream API."""

    def __init__(self, code: int, err_code: int) -> None:
        super().__init__(f"JetStream answered {code} (err_code {err_code})")
        self.code = code
        """Like an HTTP status: 404, 503 …"""
        self.err_code = err_code
        """The server's own stable number, for example 10071 for a wrong last sequence; 0 if it gave none."""


class StreamMissing(BusError):
    """A stream that we have already published to is absent: lost, or its encryption key is wrong."""


class StreamMisconfigured(BusError):
    """A stream exists with a property that our guarantees do not allow."""
