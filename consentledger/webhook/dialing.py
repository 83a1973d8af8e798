"""A connection to an address that was checked, and TLS verified for the name that the address came from.

- The address is dialled as it was checked. The name is not looked up again, so that a name server which answers
  differently the second time gains nothing.
- Proxies are not used, whatever the environment says.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence

from consentledger.webhook.target import Target

MOST_ADDRESSES = 4
_CLOSE_S = 1.0
_READ_AHEAD = 16 * 1024


class CannotConnect(Exception):
    """None of the addresses took the connection in time."""


class CannotTrust(Exception):
    """Whoever took the connection is not who the URL names, or speaks no TLS that we accept."""


def trust(ca_file: str | None = None) -> ssl.SSLContext:
    """Certificates of the system's authorities, and of those in `ca_file` (PEM); always verified, with the name."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


async def dial(
    target: Target, addresses: Sequence[str], context: ssl.SSLContext, seconds: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first of `addresses` that answers; `seconds` are for all of them, and again for TLS.

    Raises CannotConnect or CannotTrust.
    """
    sock = await _connect(target.port, addresses[:MOST_ADDRESSES], seconds)
    # From here on the socket is asyncio's, which closes it when this fails. Closing it here too would free its number
    # while the loop still watches it, for another connection to be confused with.
    try:
        if not target.tls:
            return await asyncio.open_connection(sock=sock, limit=_READ_AHEAD)
        async with asyncio.timeout(seconds):
            return await asyncio.open_connection(
                sock=sock,
                ssl=context,
                server_hostname=target.host,
                ssl_shutdown_timeout=_CLOSE_S,
                limit=_READ_AHEAD,
            )
    except (OSError, ssl.SSLError, TimeoutError):
        raise CannotTrust from None


async def _connect(port: int, addresses: Sequence[str], seconds: float) -> socket.socket:
    loop = asyncio.get_running_loop()
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(seconds / len(addresses)):
                await loop.sock_connect(sock, (address, port))
            return sock
        except (OSError, TimeoutError):
            sock.close()
        except BaseException:
            sock.close()
            raise
    raise CannotConnect
