"""A server that takes requests and never answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass
class Hanging:
    """What it has seen."""

    url: str = ""
    asked: int = 0
    """Requests begun."""
    open: int = 0
    """Of these, the clients that still wait."""


@contextlib.asynccontextmanager
async def hanging() -> AsyncIterator[Hanging]:
    """One that listens."""
    seen = Hanging()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            seen.asked, seen.open = seen.asked + 1, seen.open + 1
            try:
                while await reader.read(1 << 16):
                    pass
            finally:
                seen.open -= 1
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    seen.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield seen
