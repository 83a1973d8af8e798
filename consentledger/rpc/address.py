"""Which addresses may be used without TLS: this machine's own, and no others.

Pure: no sockets, no name resolution. What cannot be recognised is not local.
"""

from ipaddress import ip_address


class InsecureAddress(ValueError):
    """Plaintext was asked for on an address that other machines can reach, or on one that is not understood."""


def is_local(address: str) -> bool:
    """Whether `HOST:PORT`, `[IPv6]:PORT` or `unix:PATH` can be reached from this machine only."""
    if address.startswith("unix:"):
        return len(address) > len("unix:")
    host, colon, port = address.rpartition(":")
    if not colon or not (port.isascii() and port.isdecimal()):
        return False
    if host == "localhost":
        return True
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def require_local(address: str) -> None:
    """Refuse plaintext on anything but a local address, by `InsecureAddress`."""
    if not is_local(address):
        raise InsecureAddress("plaintext is allowed on loopback and unix sockets only; configure TLS for others")
