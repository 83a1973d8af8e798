"""Receivers of webhooks: real HTTPS servers with an authority of their own, that answer as a test says.

async with receiver(authority, lambda got: answer(200)) as hook:
    await sender.post(hook.url, ...)
    assert hook.got[0].headers["webhook-id"]
"""

import asyncio
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "hooks.example.org"
"""A name that no resolver is asked for here."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        """The payload's `data`."""
        return dict(json.loads(self.body)["data"])


Answering = Callable[[Received], bytes | Awaitable[bytes]]
"""The answer; see `ThenSilent` too."""


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """An answer as bytes; `Retry_After="5"` is a header."""
    fields = {"Content-Length": str(len(body)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{n}: {v}" for n, v in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class ThenSilent(bytes):
    """An answer behind which the connection stays open, until the other side closes or the test ends."""


@dataclass
class Hook:
    """A running receiver."""

    port: int
    got: list[Received] = field(default_factory=list)
    connections: int = 0
    """Those that were taken, also without a request."""
    answering: Answering = field(default=lambda got: answer(204))

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}/hook"


class Authority:
    """An authority that signs the certificates of one test; `ca_file` is what to trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of a test")])
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = self._builder(self._name, self._key).add_extension(constraints, critical=True)
        builder = builder.add_extension(usage, critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), False)
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def server(self, names: Sequence[str] = (HOST,), *, expired: bool = False) -> ssl.SSLContext:
        """What a server of these names, or addresses, presents."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives: list[x509.GeneralName] = []
        for name in names:
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                alternatives.append(x509.DNSName(name))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a receiver of a test")])
        builder = self._builder(subject, key, days=-1 if expired else 1)
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        path = self._folder / "server.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(private + builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int = 1) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=days))
        )


@asynccontextmanager
async def receiver(
    context: ssl.SSLContext | None, answering: Answering = lambda got: answer(204), *, address: str = "127.0.0.1"
) -> AsyncIterator[Hook]:
    """A server that answers each request with what `answering` returns, and closes; plain without a context."""
    hook = Hook(0, answering=answering)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        hook.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            got = await _request(reader)
            hook.got.append(got)
            answered = hook.answering(got)
            written = answered if isinstance(answered, bytes) else await answered
            writer.write(written)
            await writer.drain()
            if isinstance(written, ThenSilent):
                await asyncio.Event().wait()
        tasks.discard(task)
        writer.close()

    server = await asyncio.start_server(serve, address, 0, ssl=context)
    hook.port = server.sockets[0].getsockname()[1]
    try:
        yield hook
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def forever(got: Received) -> bytes:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def _request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Received(method, path, headers, await reader.readexactly(int(headers["content-length"])))
