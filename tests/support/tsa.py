"""A time stamp authority of our own (RFC 3161): OpenSSL's, behind our HTTP server."""

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from consentledger.http.message import Request, Response
from consentledger.http.server import HttpServer

CONFIG = """
[tsa]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa_config]
serial = {folder}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ordering = yes
tsa_name = no
ess_cert_id_chain = no
"""


def require_openssl() -> str:
    """Where it is; without it a test is skipped, but for CI."""
    found = shutil.which("openssl")
    if not found:
        if os.environ.get("CI"):
            pytest.fail("openssl is not installed")
        pytest.skip("NOT TESTED WITH A TIME STAMP AUTHORITY: openssl is not installed")
    return found


@dataclass
class Authority:
    """One that signs stamps."""

    folder: Path
    openssl: str
    url: str = ""
    granting: bool = True
    """Else it answers that it rejects."""

    @classmethod
    def create(cls, folder: Path) -> "Authority":
        """Make its root, its certificate and its keys."""
        folder.mkdir(parents=True)
        made = cls(folder, require_openssl())
        (folder / "config").write_text(CONFIG.format(folder=folder))
        (folder / "serial").write_text("01\n")
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "/dev/null")
        root = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
        extensions = [part for extension in root for part in ("-addext", extension)]
        made._run("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test Root", *extensions)
        made._run("req", "-new", *key, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=Test Stamps")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "config", "-extensions", "tsa")
        made._run("x509", "-req", "-in", "tsa.csr", "-out", "tsa.pem", *signing)
        return made

    @property
    def roots(self) -> Path:
        """The certificate that its stamps lead to."""
        return self.folder / "ca.pem"

    def reply(self, query: bytes) -> bytes:
        """The response to a query."""
        (self.folder / "query").write_bytes(query if self.granting else b"\x30\x00")
        self._run("ts", "-reply", "-config", "config", "-section", "tsa_config", "-queryfile", "query", "-signer",
                  "tsa.pem", "-inkey", "tsa.key", "-out", "reply")  # fmt: skip
        return (self.folder / "reply").read_bytes()

    def _run(self, *arguments: str) -> None:
        subprocess.run([self.openssl, *arguments], cwd=self.folder, check=True, capture_output=True, timeout=60)


@contextlib.asynccontextmanager
async def authority(folder: Path) -> AsyncIterator[Authority]:
    """One that answers over HTTP."""
    made = await asyncio.to_thread(Authority.create, folder)

    async def stamp(request: Request) -> Response:
        assert request.headers["content-type"] == "application/timestamp-query"
        return Response(200, await asyncio.to_thread(made.reply, request.body), "application/timestamp-reply")

    server = HttpServer(stamp, most_body=10_000)
    made.url = f"http://127.0.0.1:{server.bind('127.0.0.1:0')}/stamp"
    await server.start()
    try:
        yield made
    finally:
        await server.close()
