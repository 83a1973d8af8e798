"""The small HTTP server and client: what is refused, what is bounded, and that both keep to the standard library's idea
of HTTP on the other side."""

import asyncio
import contextlib
import http.client
import json
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from consentledger.http.client import HttpFailed, check_url, fetch
from consentledger.http.message import BadRequest, Request, Response, parse_head
from consentledger.http.server import HttpServer
from consentledger.rpc.address import InsecureAddress
from tests.support.nats import eventually


async def echo(request: Request) -> Response:
    if request.path == "/fail":
        raise RuntimeError("what nobody should read")
    return Response(200, json.dumps([request.method, request.path, request.body.decode("latin-1")]).encode())


@contextlib.asynccontextmanager
async def serving(**how: Any) -> AsyncIterator[int]:
    server = HttpServer(echo, **({"most_body": 1000} | how))
    port = server.bind("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.close()


async def raw(port: int, sent: bytes, *, end: bool = True) -> bytes:
    """What comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        if end:
            writer.write_eof()
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


GET = b"GET / HTTP/1.1\r\nHost: x\r\n"


async def test_a_standard_client_is_answered_and_may_keep_its_connection() -> None:
    def ask(port: int) -> list[Any]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        found = []
        for method, path, body in (("GET", "/a?b=c", None), ("POST", "/d", b"body"), ("HEAD", "/e", None)):
            connection.request(method, path, body)
            response = connection.getresponse()
            found.append((response.status, response.read(), response.getheader("Content-Length"), connection.sock))
        connection.close()
        return found

    async with serving() as port:
        got, posted, head = await asyncio.to_thread(ask, port)
    assert json.loads(got[1]) == ["GET", "/a?b=c", ""]
    assert json.loads(posted[1]) == ["POST", "/d", "body"]
    assert head[:2] == (200, b"") and int(head[2]) > 0
    assert got[3] is posted[3] is head[3], "the connection was not kept"


async def test_requests_that_came_together_are_answered_in_order() -> None:
    async with serving() as port:
        answer = await raw(port, b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.index(b'"/1"') < answer.index(b'"/2"')


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (GET + b"Host: y\r\n\r\n", 400),
        (GET + b" folded\r\n\r\n", 400),
        (GET + b"Name : x\r\n\r\n", 400),
        (GET + b"Name: \x00\r\n\r\n", 400),
        (GET + b"Name: a\nOther: b\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (GET + b"Name: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET /fail HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 500),
    ],
)
async def test_what_is_ambiguous_or_too_large_is_refused_and_the_connection_ends(sent: bytes, expected: int) -> None:
    async with serving() as port:
        answer = await raw(port, sent, end=False)
    assert status(answer) == expected
    assert b"Connection: close" in answer and answer.count(b"HTTP/1.1 ") == 1
    assert b"nobody" not in answer


async def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        async with asyncio.timeout(20):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"ab")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HT", GET, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
async def test_whoever_is_slow_is_cut_off_and_nobody_else_is(sent: bytes) -> None:
    async with serving(seconds=0.3) as port:
        slow = asyncio.create_task(raw(port, sent, end=False))
        assert (await fetch("GET", f"http://127.0.0.1:{port}/", seconds=20)).status == 200
        assert await slow == b""


async def test_whoever_reads_slowly_is_cut_off() -> None:
    async def large(request: Request) -> Response:
        return Response(200, b"x" * (32 << 20))

    server = HttpServer(large, seconds=0.3)
    port = server.bind("127.0.0.1:0")
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
    writer.write(GET + b"\r\n")
    await reader.readexactly(10)
    await eventually(lambda: not server._connections, 20)  # the server has given up
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(32 << 20)
    writer.close()
    await server.close()


async def test_connections_past_the_most_are_closed_and_come_in_when_others_leave() -> None:
    async with serving(most_connections=2) as port:
        url = f"http://127.0.0.1:{port}/"
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for _, writer in held:
            writer.write(GET + b"\r\n")
        for reader, _ in held:
            await reader.readuntil(b"\r\n\r\n")
        with pytest.raises(HttpFailed):
            await fetch("GET", url, seconds=20)
        for _, writer in held:
            writer.close()

        async def comes_in() -> bool:
            try:
                return (await fetch("GET", url, seconds=20)).status == 200
            except HttpFailed:
                return False

        await eventually(comes_in, 20)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(" \t:\r\nGETPOS/HTTP.10abc-", max_size=80).map(str.encode))
def test_no_head_breaks_the_parser(head: bytes) -> None:
    with contextlib.suppress(BadRequest):
        request = parse_head(head + b"\r\n\r\n")
        assert request.path.startswith("/") and request.path.isascii()


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:80", "example.org:80"])
def test_plaintext_is_for_this_machine_only(address: str) -> None:
    with pytest.raises(InsecureAddress):
        HttpServer(echo).bind(address)


@pytest.mark.parametrize("address", ["unix:/tmp/x", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(OSError):
        HttpServer(echo).bind(address)


ANSWERS = {
    b"": "no HTTP",
    b"nonsense\r\n\r\n": "no HTTP",
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc": "cut off",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab": "cut off",
    b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (2 << 20): "too large",
}


@contextlib.asynccontextmanager
async def answering(data: bytes, *, close: bool = True) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)
            await writer.drain()
            if not close:
                await reader.read()
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"


@pytest.mark.parametrize("data", ANSWERS, ids=range(len(ANSWERS)))
async def test_an_answer_that_is_none_fails_and_says_what_and_not_where(data: bytes) -> None:
    async with answering(data) as url:
        with pytest.raises(HttpFailed, match=ANSWERS[data]) as failure:
            await fetch("GET", url, seconds=20)
        assert "127.0.0.1" not in str(failure.value)


async def test_chunks_are_understood() -> None:
    data = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nContent-Type: A/B; c\r\n\r\n"
    data += b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    async with answering(data) as url:
        answer = await fetch("GET", url, seconds=20)
    assert (answer.status, answer.content_type, answer.body) == (201, "a/b", b"abc")


async def test_a_server_that_hangs_is_left_in_time() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n", close=False) as url:
        with pytest.raises(HttpFailed, match="in time"):
            await fetch("GET", url, seconds=0.2)


@pytest.mark.parametrize(
    "url", ["ftp://x/", "http:///x", "http://u:p@x/", "http://x:99999/", "http://x/a b", "x", "http://x/\r\nA: b"]
)
def test_a_url_that_could_say_something_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        check_url(url)


async def test_with_tls_other_addresses_are_allowed_and_both_sides_speak_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = HttpServer(echo, tls=context)
    port = server.bind("0.0.0.0:0")
    await server.start()
    with pytest.raises(HttpFailed):
        await fetch("GET", f"https://127.0.0.1:{port}/a", seconds=20)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert json.loads((await fetch("GET", f"https://127.0.0.1:{port}/a", seconds=20)).body)[1] == "/a"
    await server.close()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    )
    made = builder.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files
