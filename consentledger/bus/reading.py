"""One message of a stream, by its sequence, and whether a stream carries what a log holds. Reads only."""

import json
from collections.abc import Awaitable, Callable

from consentledger.bus.connection import Bus
from consentledger.bus.streams import StreamState


async def body_at(bus: Bus, stream: str, sequence: int, *, timeout: float = 5.0) -> bytes | None:
    """The body of the message at a sequence; None if the stream does not have it."""
    wanted = json.dumps({"seq": sequence}).encode()
    found = await bus.request(f"$JS.API.DIRECT.GET.{stream}", wanted, timeout=timeout)
    return None if "Status" in found.headers else found.payload


async def differing(
    bus: Bus, stream: str, state: StreamState, leaf: Callable[[int], Awaitable[bytes | None]]
) -> int | None:
    """The sequence of the stream's first or last message if it is not the leaf at that position; else None."""
    for sequence in sorted({state.first, state.last}) if state.messages else ():
        body = await body_at(bus, stream, sequence)
        if body is not None and body != await leaf(sequence):
            return sequence
    return None
