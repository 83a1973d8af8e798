"""Which addresses count as this machine's own."""

import pytest

from consentledger.rpc.address import InsecureAddress, is_local, require_local


@pytest.mark.parametrize(
    "address", ["127.0.0.1:0", "127.8.8.8:50051", "localhost:50051", "[::1]:50051", "unix:/run/x.sock", "unix:///run/x"]
)
def test_loopback_and_unix_sockets_are_local(address: str) -> None:
    assert is_local(address)
    require_local(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0:50051",
        "[::]:50051",
        "10.0.0.1:50051",
        "example.org:50051",
        "localhost.example.org:50051",
        "127.0.0.1.example.org:50051",
        "dns:///127.0.0.1:50051",
        "ipv4:127.0.0.1:50051",
        "127.0.0.1:1,0.0.0.0:50051",
        "::1:50051",
        "[::ffff:10.0.0.1]:50051",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:http",
        "127.0.0.1:٣",
        ":50051",
        "*:50051",
        "unix:",
        "unix-abstract:x",
        "vsock:1:2",
        "",
    ],
)
def test_anything_else_is_not(address: str) -> None:
    assert not is_local(address)
    with pytest.raises(InsecureAddress):
        require_local(address)
