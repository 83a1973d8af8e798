"""Which addresses may be dialled: every range that is set apart, at both of its ends, and what is next to it."""

import ipaddress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentledger.webhook.addresses import AddressRefused, check_all, is_allowed, networks

REFUSED = [
    "0.0.0.0", "0.255.255.255",
    "10.0.0.0", "10.255.255.255",
    "100.64.0.0", "100.127.255.255",
    "127.0.0.1", "127.255.255.255",
    "169.254.0.0", "169.254.169.254", "169.254.170.2", "169.254.255.255",
    "172.16.0.0", "172.31.255.255",
    "192.0.0.0", "192.0.0.170", "192.0.0.255",
    "192.0.2.1", "198.51.100.1", "203.0.113.1",
    "192.88.99.1",
    "192.168.0.0", "192.168.255.255",
    "198.18.0.0", "198.19.255.255",
    "224.0.0.0", "239.255.255.255",
    "240.0.0.0", "255.255.255.255",
    "::", "::1",
    "::7f00:1", "::a9fe:a9fe", "::808:808",  # compatible with IPv4
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8",  # mapped
    "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8",  # translated, RFC 2765
    "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::0.0.0.0",
    "64:ff9b:1::1", "64:ff9b:0:1::1", "64:ff9b::1:808:808",  # NAT64, but not the well-known prefix
    "100::1", "100:0:0:1::1",
    "2001::", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    "2001:2::1", "2001:10::1", "2001:20::1", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db8::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    "2002::", "2002:7f00:1::", "2002:a00:1::1", "2002:808:808::1", "2002:ffff::",  # 6to4
    "3fff::1", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
    "4000::", "5f00::1", "1fff:ffff::",
    "fc00::1", "fd00:ec2::254", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "feff::1",
    "ff00::", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
]  # fmt: skip

PUBLIC = [
    "1.0.0.0", "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.216.34",
    "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0",
    "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0",
    "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0",
    "203.0.112.255", "203.0.114.0", "223.255.255.255",
    "2000::1", "2001:200::1", "2001:4860:4860::8888", "2001:db7:ffff::", "2001:db9::", "2003::1", "2606:4700::1111",
    "2a00:1450::1", "3ffe:ffff::", "3fff:1000::",
    "64:ff9b::8.8.8.8", "64:ff9b::808:808",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_allowed(ip_address(address))
    with pytest.raises(AddressRefused) as refusal:
        check_all([address])
    assert address not in str(refusal.value) or len(address) < 4


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert is_allowed(ip_address(address))
    check_all([address])


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254"])
def test_one_refused_address_among_public_ones_refuses_all(address: str) -> None:
    for found in ([address, "8.8.8.8"], ["8.8.8.8", address], ["2606:4700::1111", "8.8.8.8", address]):
        with pytest.raises(AddressRefused):
            check_all(found)


def test_no_address_and_what_is_none_are_refused() -> None:
    for found in ([], [""], ["localhost"], ["127.1"], ["8.8.8.8", "x"], ["134744072"]):
        with pytest.raises(AddressRefused):
            check_all(found)


def test_the_operators_networks_are_allowed_and_only_they() -> None:
    allowed = networks(["10.1.0.0/16", "fd12::/16", "192.168.7.7"])
    check_all(["10.1.2.3", "fd12::1", "8.8.8.8", "192.168.7.7"], allowed)
    for address in ("10.2.0.1", "fd13::1", "127.0.0.1", "192.168.7.8", "::ffff:10.1.2.3"):
        with pytest.raises(AddressRefused):
            check_all([address], allowed)
    assert is_allowed(ip_address("64:ff9b::10.1.2.3"), allowed)
    assert not is_allowed(ip_address("64:ff9b::10.2.0.1"), allowed)


@pytest.mark.parametrize("text", ["10.1.2.3/16", "10.0.0.0/33", "x", "", "10.0.0.0/8/8"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        networks([text])


@given(st.ip_addresses())
def test_what_the_standard_library_calls_not_global_is_never_allowed(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Its lists are not ours, so that one of the two would have to be wrong in the same place."""
    if is_allowed(address) and address not in ipaddress.ip_network(
        "64:ff9b::/96" if address.version == 6 else "0.0.0.0/32"
    ):
        assert address.is_global
        assert not (address.is_multicast or address.is_reserved or address.is_loopback or address.is_unspecified)
