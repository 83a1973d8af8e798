"""Which addresses may be dialled: those of the public Internet, and networks that the operator named. Pure.

- IPv4: all but what the IANA special-purpose registry (RFC 6890 and its updates) sets apart.
- IPv6: global unicast, 2000::/3, without what is set apart inside it. So loopback, link-local, unique and site-local
  addresses, multicast, and IPv4 in mapped or compatible form are refused without being listed.
- An address that stands for an IPv4 address behind a translator (NAT64, 64:ff9b::/96, RFC 6052) is what that one is.
  6to4 and Teredo addresses lead through relays of strangers and are refused, whatever they stand for.
- Every address of a host must pass. One that does not is a sign of an attack, or of a mistake; either way nobody is
  called.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_APART_4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared by carriers
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local, and the metadata services of clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
_APART_6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "3fff::/20",  # documentation
        ),
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressRefused(Exception):
    """An address that is not public and that nobody allowed. The message does not name it."""


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks from `10.1.0.0/16` and the like. ValueError for anything else, also for one with host bits."""
    return tuple(map(ipaddress.ip_network, texts))


def is_allowed(address: Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether it may be dialled."""
    if any(address in network for network in allowed):
        return True
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in apart for apart in _APART_4)
    if address in _NAT64:
        return is_allowed(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF), allowed)
    return address in _GLOBAL_6 and not any(address in apart for apart in _APART_6)


def check_all(found: Sequence[str], allowed: Sequence[Network] = ()) -> None:
    """Return if each of these, as text, may be dialled; raise AddressRefused otherwise, also for none at all."""
    try:
        addresses = [ipaddress.ip_address(text) for text in found]
    except ValueError:
        raise AddressRefused("no address") from None
    if not addresses or not all(is_allowed(address, allowed) for address in addresses):
        raise AddressRefused("not a public address")
