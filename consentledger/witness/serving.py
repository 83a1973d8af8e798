"""The witness over HTTP: `POST /add-checkpoint` for logs, `GET /<hex SHA-256 of origin>/checkpoint` for monitors.

Submissions wait for each other in one thread, where the disk may take its time.
"""

import asyncio
import re
import ssl
from concurrent.futures import ThreadPoolExecutor

from consentledger.http.message import Request, Response
from consentledger.http.server import HttpServer
from consentledger.witness.protocol import MOST_BODY, PATH
from consentledger.witness.witness import Witness

_MONITORING = re.compile(r"/([0-9a-f]{64})/checkpoint")


class WitnessServer:
    """Serves one witness: `bind`, `start`, in the end `close`."""

    def __init__(self, witness: Witness, tls: ssl.SSLContext | None = None) -> None:
        self._witness = witness
        self._http = HttpServer(self._handle, most_body=MOST_BODY, tls=tls)
        self._thread = ThreadPoolExecutor(1, "witness")

    def bind(self, address: str) -> int:
        """As `HttpServer.bind`."""
        return self._http.bind(address)

    async def start(self) -> None:
        """Serve."""
        await self._http.start()

    async def close(self) -> None:
        """Stop. The witness belongs to the caller."""
        await self._http.close()
        self._thread.shutdown()

    async def _handle(self, request: Request) -> Response:
        if request.path == PATH:
            if request.method != "POST":
                return Response(405, headers={"Allow": "POST"})
            work = asyncio.get_running_loop().run_in_executor(self._thread, self._witness.add_checkpoint, request.body)
            answer = await work
            return Response(answer.status, answer.body, answer.content_type, {"Cache-Control": "no-store"})
        found = _MONITORING.fullmatch(request.path)
        if not found:
            return Response(404)
        if request.method not in ("GET", "HEAD"):
            return Response(405, headers={"Allow": "GET, HEAD"})
        note = self._witness.checkpoint(found.group(1))
        return Response(404) if note is None else Response(200, note, headers={"Cache-Control": "no-store"})
