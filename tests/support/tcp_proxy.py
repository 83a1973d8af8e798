"""A TCP proxy that cuts a connection at a chosen message: what a lost network looks like to a client.

    async with TcpProxy("127.0.0.1", 5432) as proxy:
        proxy.cut_before(b"COMMIT")   # the server never sees it
        proxy.cut_after(b"COMMIT")    # the server carries it out, and its answer is lost

Each order is good for one cut. A marker must arrive in one read, which short messages on loopback do.
"""

import asyncio
import contextlib
from typing import Self


class TcpProxy:
    """Forwards connections on `port` of 127.0.0.1 to one server."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._before: bytes | None = None
        self._after: bytes | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.cuts = 0
        """How many orders were carried out."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut_all()

    def cut_before(self, marker: bytes) -> None:
        """Cut the connection that next sends `marker`, and do not forward it."""
        self._before = marker

    def cut_after(self, marker: bytes) -> None:
        """Forward the next `marker`, wait for the server's answer, and cut instead of forwarding that."""
        self._after = marker

    def cut_all(self) -> None:
        """Cut every connection now."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(*self._target)
        ends = {to_client, to_server}
        self._writers |= ends
        answer_is_lost = asyncio.Event()

        async def upwards() -> None:
            while data := await from_client.read(1 << 16):
                if self._before and self._before in data:
                    self._before = None
                    self.cuts += 1
                    return
                if self._after and self._after in data:
                    self._after = None
                    answer_is_lost.set()
                to_server.write(data)
                await to_server.drain()

        async def downwards() -> None:
            while data := await from_server.read(1 << 16):
                if answer_is_lost.is_set():
                    self.cuts += 1
                    return
                to_client.write(data)
                await to_client.drain()

        tasks = [asyncio.create_task(upwards()), asyncio.create_task(downwards())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.transport.abort()
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await task
        self._writers -= ends
