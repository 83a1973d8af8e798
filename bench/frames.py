"""The client's side of HTTP/2 as far as unary gRPC calls need it (RFC 9113, RFC 7541), as bytes. Pure.

Not here: sockets, priorities, huffman coding, a header decoder. The rules:

- All calls of a connection are of one method. The first puts its headers into the server's dynamic table, every
  later one is a few index bytes.
- We offer a header table of size 0, so the server spells `grpc-status: 0` out, and success is a search for those bytes.
- Windows towards us are as large as the protocol allows, once, for at most 2 GiB of answers on a connection; the
  server's windows are kept exactly, since it enforces them.
"""

import struct
from collections.abc import Sequence

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
HEAD = 9
OK = b"\x0bgrpc-status\x010"
"""A literal header field: both strings with their lengths, not huffman coded."""
LARGEST = 2**31 - 1
FIRST_WINDOW = 65_535
_STATIC_SIZE = 61
_SETTING = struct.Struct(">HI")
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW = 1, 2, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def opening() -> bytes:
    """What a client says first."""
    settings = ((_HEADER_TABLE_SIZE, 0), (_ENABLE_PUSH, 0), (_INITIAL_WINDOW, LARGEST))
    payload = b"".join(_SETTING.pack(*setting) for setting in settings)
    window = frame(WINDOW_UPDATE, 0, 0, (LARGEST - FIRST_WINDOW).to_bytes(4, "big"))
    return PREFACE + frame(SETTINGS, 0, 0, payload) + window


def call_headers(authority: str, path: str, timeout_seconds: int) -> list[tuple[str, str]]:
    """The headers of a unary call, in the order in which gRPC sends them."""
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-timeout", f"{timeout_seconds}S"),
    ]


def first_block(headers: Sequence[tuple[str, str]]) -> bytes:
    """The header block of a connection's first request: literals that the server remembers."""
    return b"".join(b"\x40" + _string(name) + _string(value) for name, value in headers)


def later_block(headers: Sequence[tuple[str, str]]) -> bytes:
    """The header block of each request after the first on a connection: the newest entry has the lowest index."""
    return bytes(0x80 | (_STATIC_SIZE + len(headers) - i) for i in range(len(headers)))


def _string(text: str) -> bytes:
    data = text.encode("ascii")
    if len(data) > 126:
        raise ValueError("too long for a length of one byte")
    return bytes((len(data),)) + data


def request(stream: int, block: bytes, message: bytes) -> bytes:
    """The frames of one unary call: headers, then the message, uncompressed."""
    body = b"\0" + len(message).to_bytes(4, "big") + message
    return frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, body)
