"""Checkpoint and tiles of every log over plain HTTP, read-only (C2SP tlog-tiles), on a port of their own.

    GET /<log>/checkpoint
    GET /<log>/tile/<level>/<index>[.p/<width>]
    GET /<log>/tile/entries/<index>[.p/<width>]

- Hashes and checkpoints say nothing of anybody. Bundles of entries hold the leaves of all tenants, pseudonymous and not
  public: they are refused unless a setting allows them.
- Nothing is served of a tree that is not signed yet, so that what may be cached for ever is never taken back.
- A partial tile is served in every width up to what the tree has, also after the tile is full.
"""

import gzip

from consentledger.errors import LedgerError
from consentledger.http.message import BYTES, Request, Response
from consentledger.http.server import HttpServer
from consentledger.store.ledger import StoreUnavailable
from consentledger.store.signedlog import SignedLog
from consentledger.tlog.tilenames import HEIGHT, WIDTH, Entries, Tile, TileError, parse_path
from consentledger.tlog.tiles import pack_entries
from services.audit.logs import Logs

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_PRIVATE = {"Cache-Control": "private, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
_NOT_KEPT = {"Cache-Control": "no-store"}


class TilesServer:
    """Serves the logs of this process: `bind`, `start`, in the end `close`."""

    def __init__(self, logs: Logs, *, entries: bool) -> None:
        """`entries` says whether bundles of leaves may be had."""
        self._logs = logs
        self._entries = entries
        self._http = HttpServer(self.answer)

    def bind(self, address: str) -> int:
        """As `HttpServer.bind`: without TLS, so for this machine's own addresses only."""
        return self._http.bind(address)

    async def start(self) -> None:
        """Serve."""
        await self._http.start()

    async def close(self) -> None:
        """Stop."""
        await self._http.close()

    async def answer(self, request: Request) -> Response:
        """The response to a request of any method and path."""
        if request.method not in ("GET", "HEAD"):
            return Response(405, headers={"Allow": "GET, HEAD"})
        name, slash, path = request.path[1:].partition("/")
        try:
            if not name or not slash:
                return Response(404)
            log = self._logs.named(name)
            if path == "checkpoint":
                return await self._checkpoint(log)
            if not path.startswith("tile/"):
                return Response(404)
            asked = parse_path(path)
            if isinstance(asked, Tile):
                return await _tile(log, asked)
            if not self._entries:
                return Response(403, b"denied by policy\n", headers=_NOT_KEPT)
            return await _bundle(log, asked, zipped="gzip" in request.headers.get("accept-encoding", ""))
        except TileError:
            return Response(400, b"not the path of a tile\n")
        except LedgerError:
            return Response(404)
        except StoreUnavailable:
            return Response(503, headers={"Retry-After": "5", **_NOT_KEPT})

    async def _checkpoint(self, log: SignedLog) -> Response:
        signed = await log.checkpoint()
        return Response(200, signed.note + await self._logs.witnesses.of(log, signed.size), headers=_NOT_KEPT)


async def _tile(log: SignedLog, asked: Tile) -> Response:
    if not await _has(log, asked.level, asked.index, asked.width):
        return Response(404, headers=_NOT_KEPT)
    hashes = await log.prover.tile(asked.level, asked.index, asked.width)
    return Response(404) if hashes is None else Response(200, hashes, BYTES, _FOR_EVER)


async def _bundle(log: SignedLog, asked: Entries, *, zipped: bool) -> Response:
    if not await _has(log, 0, asked.index, asked.width):
        return Response(404, headers=_NOT_KEPT)
    after = asked.index * WIDTH
    leaves = await log.store.leaves(after, asked.width, upto=after + asked.width, tenant=None)
    if len(leaves) != asked.width:
        raise StoreUnavailable("leaves of the log are missing")
    bundle = pack_entries([leaf for _, leaf in leaves])
    if not zipped:
        return Response(200, bundle, BYTES, _PRIVATE)
    return Response(200, gzip.compress(bundle, 1, mtime=0), BYTES, _PRIVATE | {"Content-Encoding": "gzip"})


async def _has(log: SignedLog, level: int, index: int, width: int) -> bool:
    """Whether the signed tree has so much of a tile; looks at what other replicas wrote only when it does not."""
    needed = index * WIDTH + width
    return (log.notary.checkpoint().size >> HEIGHT * level) >= needed or (
        (await log.checkpoint()).size >> HEIGHT * level
    ) >= needed
