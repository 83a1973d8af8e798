"""One HTTP request to somebody else's server: bounded in time and size, no redirects, no cookies, nothing kept.

Reading the answer is left to the standard library's own parser, fed with bytes that came within the bounds.
"""

import asyncio
import http.client
import io
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

MOST_ANSWER = 1 << 20


class HttpFailed(Exception):
    """No answer came: not reachable, too slow, too large, or no HTTP. The text names neither URL nor content."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came."""

    status: int
    content_type: str
    """Without parameters, lower case."""
    body: bytes


class _Bytes:
    """What `HTTPResponse` takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def check_url(url: str) -> SplitResult:
    """The parts of `http://…` or `https://…`. ValueError for anything else, or with a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("a URL begins with http:// or https:// and a host")
    if not (url.isascii() and url.isprintable()) or " " in url or parts.port == 0:
        raise ValueError("a URL is printable ASCII without spaces")
    return parts


async def fetch(
    method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *, seconds: float
) -> Answer:
    """Ask `http://…` or `https://…`; `seconds` is for all of it. Raises HttpFailed, and ValueError for another URL."""
    parts = check_url(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = {"Host": parts.netloc, "Connection": "close", "Accept-Encoding": "identity", **(headers or {})}
    if method == "POST":
        fields["Content-Length"] = str(len(body))
    head = "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in fields.items())))
    try:
        async with asyncio.timeout(seconds):
            data = await _exchange(host, parts.port or (443 if tls else 80), tls, head.encode() + b"\r\n" + body)
    except TimeoutError:
        raise HttpFailed("no answer in time") from None
    except (OSError, ssl.SSLError) as error:
        raise HttpFailed(f"not reached: {type(error).__name__}") from None
    return _parse(method, data)


async def _exchange(host: str, port: int, tls: bool, request: bytes) -> bytes:
    """All that comes back until the other side closes."""
    context = ssl.create_default_context() if tls else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        writer.write(request)
        await writer.drain()
        data = bytearray()
        while chunk := await reader.read(1 << 16):
            data += chunk
            if len(data) > MOST_ANSWER:
                raise HttpFailed("the answer is too large")
        return bytes(data)
    finally:
        writer.close()


def _parse(method: str, data: bytes) -> Answer:
    response = http.client.HTTPResponse(_Bytes(data), method=method)  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read()
    except (http.client.HTTPException, ValueError, OSError):
        raise HttpFailed("the answer is no HTTP, or was cut off") from None
    kind = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    return Answer(response.status, kind, body)
