"""Which URLs a webhook may have: what is read, and everything that other readers might read differently."""

import pytest

from consentledger.webhook.target import BadTarget, Target, parse_target


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://a.example/x", Target(True, "a.example", 443, "/x", "a.example", False)),
        ("HTTPS://A.Example", Target(True, "a.example", 443, "/", "a.example", False)),
        ("https://a.example:8443/x?y=%20z&b", Target(True, "a.example", 8443, "/x?y=%20z&b", "a.example:8443", False)),
        ("https://a.example:443/", Target(True, "a.example", 443, "/", "a.example", False)),
        ("https://a.example?q", Target(True, "a.example", 443, "/?q", "a.example", False)),
        ("https://a.example/a/../b//c;d", Target(True, "a.example", 443, "/a/../b//c;d", "a.example", False)),
        ("https://crm/x", Target(True, "crm", 443, "/x", "crm", False)),
        ("https://xn--bcher-kva.ex/", Target(True, "xn--bcher-kva.ex", 443, "/", "xn--bcher-kva.ex", False)),
        ("https://93.184.216.34/", Target(True, "93.184.216.34", 443, "/", "93.184.216.34", True)),
        ("https://[2606:2800:220:1::1]/", Target(True, "2606:2800:220:1::1", 443, "/", "[2606:2800:220:1::1]", True)),
        ("https://[::1]:8443/", Target(True, "::1", 8443, "/", "[::1]:8443", True)),
    ],
)  # fmt: skip
def test_a_plain_url_is_read(url: str, target: Target) -> None:
    assert parse_target(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example/x",
        "//a.example/x",
        "ftp://a.example/",
        "file:///etc/passwd",
        "gopher://a.example/",
        "unix:///run/x.sock",
        "javascript://a.example/",
        "https:/a.example/",
        "https:a.example/",
        "https:///x",
        " https://a.example/",
        "https://a.example/ ",
        "https://a.example/\n",
        "https://a.example/a b",
        "https://a.example/\r\nHost: evil",
        "https://a.example/%0",
        "https://a.example/%zz",
        "https://a.example/é",
        "https://bücher.example/",
        "https://a。example/",  # the ideographic full stop, which IDNA maps to "."
        "https://①②⑦.0.0.1/",
        "https://user@a.example/",
        "https://user:password@a.example/",
        "https://a.example@127.0.0.1/",
        "https://127.0.0.1#@a.example/",
        "https://a.example#x",
        "https://a.example/#x",
        "https://a.example\\@127.0.0.1/",
        "https://a.example\\x",
        "https://a.example:0/",
        "https://a.example:/",
        "https://a.example:65536/",
        "https://a.example:99999/",
        "https://a.example:080/",
        "https://a.example:+80/",
        "https://a.example:8 0/",
        "https://a.example:80:80/",
        "https://a.example./",
        "https://.a.example/",
        "https://a..example/",
        "https://-a.example/",
        "https://a-.example/",
        "https://a_b.example/",
        "https://a.example%00.evil/",
        "https://%31%32%37.0.0.1/",
        "https://*/",
        f"https://{'a' * 64}.example/",
        f"https://{'a.' * 127}example/",
        f"https://a.example/{'x' * 2048}",
    ],
)
def test_anything_else_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(BadTarget) as refusal:
        parse_target(url)
    assert len(url) < 5 or url not in str(refusal.value)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",  # 127.0.0.1 as one number
        "0x7f000001",
        "0x7f.0x0.0x0.0x1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "127.0.1",
        "127.0.0.01",
        "127.0.0.1.",
        "127.0.0.0x1",
        "1.2.3.4.5",
        "256.256.256.256",
        "0",
        "0x",
        "a.0x1",
        "a.1",
        "[127.0.0.1]",
        "[::ffff:7f00:1",
        "::1",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[::1]x",
        "[v1.fe]",
        "[]",
        "[:]",
    ],
)
def test_an_address_in_an_odd_notation_is_refused(host: str) -> None:
    with pytest.raises(BadTarget):
        parse_target(f"https://{host}/")


def test_http_is_for_hosts_that_were_named() -> None:
    with pytest.raises(BadTarget):
        parse_target("http://a.example/")
    with pytest.raises(BadTarget):
        parse_target("http://b.example/", ["a.example"])
    assert parse_target("http://a.example/", ["a.example"]) == Target(False, "a.example", 80, "/", "a.example", False)
    assert parse_target("http://a.example:8080/", {"a.example"}).authority == "a.example:8080"
