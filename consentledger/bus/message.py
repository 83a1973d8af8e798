"""One message that a JetStream consumer delivered, and how to settle it.

- Not acknowledging is safe: the message comes again after the consumer's `ack_wait`. Acknowledging moves the queue and
  proves nothing: evidence of enforcement is what a downstream says on `ack.>`.
- There is no "terminate": a revocation is never dropped.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from nats.aio.msg import Msg

from consentledger.bus.connection import Bus
from consentledger.bus.errors import BusUnavailable


@dataclass(slots=True)
class Message:
    """A delivered message."""

    subject: str
    headers: Mapping[str, str]
    payload: bytes
    stream_sequence: int
    """Place in the stream; for a ledger's stream, the position."""
    consumer_sequence: int
    """Counts this consumer's deliveries, gapless from 1; a gap is a delivery that was lost on the way."""
    deliveries: int
    """1 at the first delivery."""
    pending: int
    """How many messages the consumer had left for us after this one."""
    bus: Bus = field(repr=False)
    reply: str = field(repr=False)
    settled: bool = False
    """Whether `ack` or `nak` was sent."""

    async def ack(self) -> None:
        """Done: do not deliver it again. If the connection is down, it comes again all the same."""
        await self._settle(b"+ACK")

    async def nak(self, delay: float = 0.0) -> None:
        """Not done: deliver it again after `delay` seconds."""
        await self._settle(b"-NAK " + json.dumps({"delay": int(delay * 1e9)}).encode())

    async def in_progress(self) -> None:
        """Still at it: start `ack_wait` anew."""
        with suppress(BusUnavailable):
            await self.bus.publish(self.reply, b"+WPI")

    async def _settle(self, verdict: bytes) -> None:
        if not self.settled:
            self.settled = True
            with suppress(BusUnavailable):
                await self.bus.publish(self.reply, verdict)


def message_of(bus: Bus, msg: Msg) -> Message | None:
    """The message, or None for a status message of the server."""
    tokens = msg.reply.split(".")
    if len(tokens) < 9 or tokens[:2] != ["$JS", "ACK"]:
        return None
    # $JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>, and in the newer form
    # two tokens (domain, account) before the stream and a random one at the end.
    at = 4 if len(tokens) == 9 else 6
    deliveries, stream_sequence, consumer_sequence = (int(token) for token in tokens[at : at + 3])
    return Message(
        subject=msg.subject,
        headers=msg.headers or {},
        payload=msg.data,
        stream_sequence=stream_sequence,
        consumer_sequence=consumer_sequence,
        deliveries=deliveries,
        pending=int(tokens[at + 4]),
        bus=bus,
        reply=msg.reply,
    )
