"""What came back from one attempt, read within bounds. The parser is h11's; it does no I/O.

- At most 64 KiB are read, head included. A body that is longer, breaks off or never ends is dropped whole: half an
  answer says nothing. The status counts from the moment it is there.
- What the peer wrote is for whoever parses it: it is shown in no representation and no exception.
"""

import asyncio

import h11

MOST_ANSWER = 64 * 1024
_READ = 16 * 1024
_LONGEST_HEADER = 64


class NoAnswer(Exception):
    """No status came: the connection ended, or what came is no HTTP."""


class Answer:
    """Filled by `read`, and worth what it holds however far that came."""

    def __init__(self, connection: h11.Connection) -> None:
        self._connection = connection
        self.status: int | None = None
        self.retry_after = ""
        self.body = b""
        """Empty until it is complete."""

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Read until the answer is complete or cannot become so. Raises NoAnswer when not even a status came."""
        left, body = MOST_ANSWER, bytearray()
        try:
            while True:
                event = self._connection.next_event()
                if event is h11.NEED_DATA:
                    if not left:
                        break
                    data = await reader.read(min(left, _READ))
                    left -= len(data)
                    self._connection.receive_data(data)
                elif isinstance(event, h11.Response):
                    self.status = event.status_code
                    self.retry_after = _header(event, b"retry-after")
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    self.body = bytes(body)
                    break
                elif not isinstance(event, h11.InformationalResponse):
                    break  # closed, or another protocol than was asked for
        except (OSError, h11.RemoteProtocolError):
            pass
        if self.status is None:
            raise NoAnswer from None


def _header(response: h11.Response, name: bytes) -> str:
    values = [value for key, value in response.headers if key == name]
    return values[0][:_LONGEST_HEADER].decode("latin-1") if values else ""
