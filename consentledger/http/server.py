"""A small HTTP/1.1 server: one handler, few connections, every wait bounded.

- Plaintext on this machine's own addresses only; others need TLS, or a proxy that has it.
- A request head of at most 8 KiB and a body of at most `most_body`, each within `seconds`; the same for whoever reads
  an answer slowly. Connections past `most_connections` are closed at once.
- What a handler raises is answered 500, without a word about it.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable

from consentledger import journal
from consentledger.http.message import BadRequest, Request, Response, body_length, parse_head, write_response
from consentledger.rpc.address import require_local

Handler = Callable[[Request], Awaitable[Response]]

MOST_HEAD = 8 * 1024
MOST_CONNECTIONS = 200
SECONDS = 15.0
"""For each of: the head of a request, its body, taking an answer."""
_log = journal.get("http")


class HttpServer:
    """See the module's rules. `bind`, `start`, in the end `close`."""

    def __init__(
        self,
        handle: Handler,
        *,
        most_body: int = 0,
        tls: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
        most_connections: int = MOST_CONNECTIONS,
    ) -> None:
        self._handle = handle
        self._seconds = seconds
        self._most_connections = most_connections
        self._most_body = most_body
        self._tls = tls
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    def bind(self, address: str) -> int:
        """Take `HOST:PORT`; returns the port, which PORT 0 leaves to the system.

        Raises InsecureAddress without TLS on an address that others can reach, OSError if it cannot be bound.
        """
        if self._tls is None:
            require_local(address)
        host, _, port = address.rpartition(":")
        if not (host and port.isascii() and port.isdecimal() and int(port) < 1 << 16):
            raise OSError("an address is HOST:PORT")
        host = host.removeprefix("[").removesuffix("]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, int(port)), family=family, backlog=MOST_CONNECTIONS)
        return int(self._socket.getsockname()[1])

    async def start(self) -> None:
        """Serve on what `bind` has taken."""
        assert self._socket is not None
        self._server = await asyncio.start_server(
            self._connected,
            sock=self._socket,
            limit=MOST_HEAD,
            ssl=self._tls,
            ssl_handshake_timeout=self._seconds if self._tls else None,
        )

    async def close(self) -> None:
        """Stop listening and cut what is open: whoever asked may ask again."""
        if self._server is not None:
            self._server.close()
        elif self._socket is not None:
            self._socket.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        writer.transport.set_write_buffer_limits(0)  # so that `drain` waits until all of an answer has left
        try:
            if len(self._connections) < self._most_connections:
                self._connections.add(task)
                with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    while await self._one(reader, writer):
                        pass
        except asyncio.CancelledError:
            pass  # by `close`; asyncio would print a traceback for it
        finally:
            self._connections.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read and answer one request; whether another may follow."""
        request: Request | None = None
        try:
            async with asyncio.timeout(self._seconds):
                request = parse_head(await reader.readuntil(b"\r\n\r\n"))
            length = body_length(request, self._most_body)
            if length:
                request = await self._with_body(request, length, reader, writer)
            response = await self._answer(request)
        except asyncio.LimitOverrunError:
            response = Response(431)
            request = None
        except BadRequest as bad:
            response = Response(bad.status)
            request = None
        keep = request is not None and request.keep
        head_only = request is not None and request.method == "HEAD"
        writer.write(write_response(response, keep=keep, head_only=head_only))
        try:
            async with asyncio.timeout(self._seconds):
                await writer.drain()
        except TimeoutError:
            writer.transport.abort()
            raise
        return keep

    async def _with_body(
        self, request: Request, length: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Request:
        if request.headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async with asyncio.timeout(self._seconds):
            body = await reader.readexactly(length)
        return Request(request.method, request.path, request.headers, body, request.keep)

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._handle(request)
        except Exception as error:  # whatever it is: its text may hold what nobody should read
            _log.error("not answered", exception=type(error).__name__)
            return Response(500)
