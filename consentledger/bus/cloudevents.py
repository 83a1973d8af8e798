"""CloudEvents 1.0 in NATS headers, binary mode, both ways. Pure: strings in, strings out.

The mapping is that of the CloudEvents NATS protocol binding, 3.1.3: every attribute is a header `ce-<name>`
(`datacontenttype` too), its value percent-encoded; the body is the data. Structured mode is not here. The rules:

- Encoded are: space, double quote, percent, and everything outside U+0021 to U+007E, as upper-case UTF-8 octets.
- Decoding unquotes a quoted string, then percent-decodes exactly once. Broken escapes, raw non-ASCII and invalid
  UTF-8 are refused, never repaired: two readers must not see two different events.
- Attribute values hold no control characters, no noncharacters and no lone surrogates (CloudEvents 1.0, 3.1).

    headers = ledger_event_headers("consent", "acme", "consent.withdrawn.v1", 42, 1_767_225_600_000_000)
    decode(headers)["sequence"]    # "00000000000000000042"
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = re.compile(r"[a-z0-9]{1,20}")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef]")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_PLAIN = re.compile("[!#$&-~]+")
_REQUIRED = ("id", "source", "specversion", "type")


class NotACloudEvent(ValueError):
    """Headers or a value that the binding does not allow. Says which rule, never the value."""


def encode_value(value: str) -> str:
    """One attribute's value as a header value."""
    if _PLAIN.fullmatch(value):  # nearly all of ours, thousands a second
        return value
    _check(value)
    return "".join(
        chr(byte) if 0x21 <= byte <= 0x7E and byte not in b'"%' else f"%{byte:02X}" for byte in value.encode()
    )


def decode_value(header: str) -> str:
    """The attribute's value that a header value stands for."""
    if any(not 0x20 <= ord(char) <= 0x7E for char in header):
        raise NotACloudEvent("a header value holds a character outside printable ASCII")
    if header.startswith('"'):
        header = _unquote(header)
    octets = bytearray()
    at = 0
    while at < len(header):
        if header[at] != "%":
            octets.append(ord(header[at]))
            at += 1
            continue
        escape = _ESCAPE.match(header, at)
        if not escape:
            raise NotACloudEvent("a percent sign without two hexadecimal digits")
        octets.append(int(escape[1], 16))
        at = escape.end()
    try:
        value = octets.decode()
    except UnicodeDecodeError:
        raise NotACloudEvent("a header value is not UTF-8") from None
    _check(value)
    return value


def encode(attributes: Mapping[str, str]) -> dict[str, str]:
    """Attributes, `specversion` added, as headers."""
    complete = {"specversion": "1.0", **attributes}
    _check_attributes(complete)
    return {f"ce-{name}": encode_value(value) for name, value in complete.items()}


def decode(headers: Mapping[str, str]) -> dict[str, str]:
    """The attributes in a message's headers; other headers are ignored."""
    attributes = {name[3:]: decode_value(value) for name, value in headers.items() if name.startswith("ce-")}
    _check_attributes(attributes)
    return attributes


def ledger_event_headers(
    service: str, tenant: str, type: str, position: int, recorded_us: int, traceparent: str | None = None
) -> dict[str, str]:
    """The headers of one ledger event; the body is the protobuf of its `LedgerEntry`.

    `id` is `<service>/<position>/<recorded_us>`: the same at every publication of the same event, and different for
    another event at the same position, since recording times strictly increase. `sequence` is the position, padded to
    20 digits because the sequence extension asks for values in lexicographic order. An event of no tenant, which is
    about the log itself, has no `tenant`. A malformed `traceparent` is left out: tracing never stops a revocation.
    """
    identity = f"{service}/{position}/{recorded_us}"
    attributes = {
        "id": identity,
        "source": f"/consentledger/{service}",
        "type": type,
        "time": rfc3339(recorded_us),
        "datacontenttype": "application/protobuf",
        "sequence": f"{position:020d}",
    }
    if tenant:
        attributes["tenant"] = tenant
    headers = {"Nats-Msg-Id": identity}
    if traceparent and _TRACEPARENT.fullmatch(traceparent):
        headers["traceparent"] = attributes["traceparent"] = traceparent
    return encode(attributes) | headers


def rfc3339(time_us: int) -> str:
    """Microseconds since the epoch as RFC 3339 in UTC, always with six decimals."""
    return (_EPOCH + timedelta(microseconds=time_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _unquote(header: str) -> str:
    if len(header) < 2 or not re.fullmatch(r'"(?:[^"\\]|\\.)*"', header):
        raise NotACloudEvent("a quoted header value does not end with its quote")
    return re.sub(r"\\(.)", r"\1", header[1:-1])


def _check(value: str) -> None:
    if _FORBIDDEN.search(value) or any(ord(char) & 0xFFFE == 0xFFFE for char in value):
        raise NotACloudEvent("an attribute holds a control character or a noncharacter")
    if any(0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise NotACloudEvent("an attribute holds a lone surrogate")


@lru_cache(maxsize=1024)
def _check_names(names: tuple[str, ...]) -> None:
    if not all(_NAME.fullmatch(name) for name in names):
        raise NotACloudEvent("an attribute's name is not 1 to 20 of a-z and 0-9")


def _check_attributes(attributes: Mapping[str, str]) -> None:
    _check_names(tuple(attributes))
    for name in _REQUIRED:
        if not attributes.get(name):
            raise NotACloudEvent(f"the attribute {name} is missing or empty")
    if attributes["specversion"] != "1.0":
        raise NotACloudEvent("specversion is not 1.0")
    if "time" in attributes and not _TIME.fullmatch(attributes["time"]):
        raise NotACloudEvent("time is not RFC 3339")
