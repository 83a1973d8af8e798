"""What crosses the wire: a received message, the JetStream API's answers, sizes. Pure: bytes in, values out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consentledger.bus.errors import BusUnavailable, JetStreamError


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came."""

    subject: str
    reply: str
    headers: Mapping[str, str]
    payload: bytes


def answer(received: Received) -> dict[str, Any]:
    """The JSON object of a JetStream answer; raises `JetStreamError` if it is an error."""
    try:
        body = json.loads(received.payload)
    except ValueError:
        raise BusUnavailable("an answer that is not JSON") from None
    if not isinstance(body, dict):
        raise BusUnavailable("an answer that is not an object")
    if error := body.get("error"):
        raise JetStreamError(int(error.get("code", 500)), int(error.get("err_code", 0)))
    return body


def message_size(headers: Mapping[str, str] | None, payload: bytes) -> int:
    """Bytes that count against `max_payload`: the header block, if any, and the payload."""
    if not headers:
        return len(payload)
    size = 14 + len(payload)
    for key, value in headers.items():
        size += len(key) + (len(value) if value.isascii() else len(value.encode())) + 4
    return size


def shorten(subject: str) -> str:
    """A subject fit for a journal: past the third token it may hold a person's opaque token."""
    tokens = subject.split(".")
    return subject if subject.startswith("$") or len(tokens) <= 3 else ".".join(tokens[:3]) + ".…"
