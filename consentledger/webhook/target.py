"""Which URLs a webhook may have, as they are written. Pure: where the name leads is another question, `addresses`.

- https. http only for hosts that the operator named.
- No user or password, no fragment, nothing but plain ASCII. What other readers might read as another host is refused
  rather than read: a backslash, a trailing full stop, an IPv4 address in any form but four decimal numbers, a zone.
- The path is sent as it is written: nothing is decoded or shortened.
"""

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass

LONGEST_URL = 2048
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[a-z0-9.-]+|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/(?:[a-z0-9._~!$&'()*+,;=:@/-]|%[0-9a-f]{2})*)?"
    r"(?P<query>\?(?:[a-z0-9._~!$&'()*+,;=:@/?-]|%[0-9a-f]{2})*)?",
    re.IGNORECASE,
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class BadTarget(ValueError):
    """A URL that is not sent to. The message is a rule and never the URL."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send."""

    tls: bool
    host: str
    """A name, or an address without brackets; lower case."""
    port: int
    path: str
    """With the query, as it goes on the wire."""
    authority: str
    """For the header Host."""
    literal: bool
    """Whether `host` is an address."""


def parse_target(url: str, plain_hosts: Collection[str] = ()) -> Target:
    """The parts of a URL; `plain_hosts` are those that may be reached by http. Raises BadTarget."""
    parts = _URL.fullmatch(url) if len(url) <= LONGEST_URL else None
    if parts is None:
        raise BadTarget("a URL is https://host/path, at most 2048 plain characters, without user or fragment")
    written = parts["host"].lower()
    host = written.removeprefix("[").removesuffix("]")
    literal = _is_address(host, bracketed=host != written)
    if not literal and not _is_name(host):
        raise BadTarget("a host is a name, or an address in its usual form")
    tls = parts["scheme"].lower() == "https"
    if not tls and host not in plain_hosts:
        raise BadTarget("a URL begins with https://")
    default = 443 if tls else 80
    port = int(parts["port"] or default)
    if port > 65_535:
        raise BadTarget("a port is at most 65535")
    authority = written if port == default else f"{written}:{port}"
    return Target(tls, host, port, (parts["path"] or "/") + (parts["query"] or ""), authority, literal)


def _is_address(host: str, *, bracketed: bool) -> bool:
    try:
        if bracketed:
            ipaddress.IPv6Address(host)
        else:
            ipaddress.IPv4Address(host)  # four decimal numbers without leading zeros, and nothing else
    except ValueError:
        if bracketed:
            raise BadTarget("a host is a name, or an address in its usual form") from None
        return False
    return True


def _is_name(host: str) -> bool:
    # One whose last label is a number is an address to some readers: 127.1, 0x7f000001, 2130706433.
    labels = host.split(".")
    return len(host) <= 253 and all(map(_LABEL.fullmatch, labels)) and not _NUMBER.fullmatch(labels[-1])
