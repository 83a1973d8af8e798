"""Requests and responses of HTTP/1.1 as bytes (RFC 9112), read strictly. Pure.

- What is ambiguous is refused, never guessed: a bare LF, folded lines, two lengths, a transfer coding, no host.
- A path is in origin form, is printable ASCII, and is handed on as it came: nothing is decoded or normalised.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

_REQUEST = re.compile(r"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.([01])")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_LENGTH = re.compile(r"0|[1-9][0-9]{0,9}")
TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"


class BadRequest(Exception):
    """The request is not read further; answered with `status`, then the connection is closed."""

    def __init__(self, status: int = 400) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    method: str
    path: str
    """As it came, with a query if there was one."""
    headers: Mapping[str, str]
    """By lower-case name; one that came several times is joined by commas."""
    body: bytes = b""
    keep: bool = True
    """Whether the client wants the connection to stay."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response."""

    status: int
    body: bytes = b""
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


def parse_head(head: bytes) -> Request:
    """A request's first line and fields, with the empty line that ends them. Raises BadRequest."""
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    asked = _REQUEST.fullmatch(first)
    if not asked:
        raise BadRequest(505 if re.fullmatch(r"[A-Z]{1,16} [!-~]+ HTTP/[02-9]\.[0-9]", first) else 400)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not (colon and _NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            raise BadRequest
        name, value = name.lower(), value.strip(" \t")
        if name in headers and name in ("host", "content-length"):
            raise BadRequest
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    newer = asked.group(3) == "1"
    if newer and "host" not in headers:
        raise BadRequest
    if "transfer-encoding" in headers:
        raise BadRequest(501)
    options = {option.strip().lower() for option in headers.get("connection", "").split(",")}
    keep = "close" not in options if newer else "keep-alive" in options
    return Request(asked.group(1), asked.group(2), headers, keep=keep)


def body_length(request: Request, most: int) -> int:
    """How many bytes of body follow. Raises BadRequest, also for more than `most`."""
    length = request.headers.get("content-length")
    if length is None:
        if request.method == "POST":
            raise BadRequest(411)
        return 0
    if not _LENGTH.fullmatch(length):
        raise BadRequest
    if int(length) > most:
        raise BadRequest(413)
    return int(length)


def write_response(response: Response, *, keep: bool, head_only: bool = False) -> bytes:
    """The response as bytes."""
    fields = {
        "Content-Type": response.content_type,
        "Content-Length": str(len(response.body)),
        "X-Content-Type-Options": "nosniff",
        **response.headers,
        "Connection": "keep-alive" if keep else "close",
    }
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    head = "\r\n".join(lines).encode("ascii") + b"\r\n\r\n"
    return head if head_only else head + response.body
