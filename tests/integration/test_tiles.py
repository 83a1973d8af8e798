"""Checkpoint and tiles over HTTP: a client written from the specification rebuilds every tree from what it gets."""

import asyncio
import contextlib
import gzip
import random
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentledger.rpc.address import InsecureAddress
from consentledger.store.guard import Guarded, GuardUnavailable
from consentledger.store.signedlog import SignedLog
from consentledger.tlog.checkpoint import parse_checkpoint
from consentledger.tlog.note import VerifierKey, open_note
from consentledger.tlog.tilenames import TileError, parse_path
from services.audit.logs import Logs
from services.audit.tiles_http import TilesServer
from tests.support.growing import grow, log_at
from tests.support.tilesclient import TilesClient, place

PARTS = (
    "tile", "entries", "checkpoint", "/", "/", "/", "0", "00", "000", "001", "x000", "x001", ".p/", "1", "44", "255",
    "256", "..", "%", "?", "+", "63", "64", "~",
)  # fmt: skip
SIZES = (0, 1, 2, 255, 256, 257, 511, 512, 3000)


@contextlib.asynccontextmanager
async def served(log: SignedLog, *, entries: bool = False) -> AsyncIterator[TilesClient]:
    server = TilesServer(Logs({"consent": log}), entries=entries)
    client = TilesClient(server.bind("127.0.0.1:0"), "/consent")
    await server.start()
    try:
        yield client
    finally:
        client.close()
        await server.close()


async def rebuilt(client: TilesClient, log: SignedLog) -> int:
    """Fetch the checkpoint and all tiles of its tree, rebuild the root; the size."""
    got = await asyncio.to_thread(client.get, "checkpoint")
    assert (got.status, got.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert got.headers["cache-control"] == "no-store"
    opened = open_note(got.body, [VerifierKey.parse(log.notary.vkeys[-1])])
    head = parse_checkpoint(opened.text)
    assert await asyncio.to_thread(client.root, head.size) == head.root
    return head.size


async def test_the_root_of_every_size_is_rebuilt_from_tiles(tmp_path: Path, store_url: str) -> None:
    async with log_at(store_url, tmp_path) as log, served(log) as client:
        for size in SIZES:
            if size:
                await grow(log, size)
            assert await rebuilt(client, log) == size


async def test_a_tree_of_three_levels_is_rebuilt_after_a_restart_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    async with log_at(url, tmp_path) as log, served(log) as client:
        for size in range(11_000, 66_001, 11_000):
            await grow(log, size)
        assert await rebuilt(client, log) == 66_000
    async with log_at(url, tmp_path) as log, served(log) as client:
        assert await rebuilt(client, log) == 66_000


async def test_partial_tiles_of_every_earlier_tree_are_served_and_nothing_of_a_later_one(tmp_path: Path) -> None:
    async with log_at(f"sqlite:///{tmp_path / 'log.db'}", tmp_path) as log, served(log) as client:
        await grow(log, 300)
        leaves = [sha256(b"\x00leaf %d" % n).digest() for n in range(1, 301)]

        def look() -> None:
            for width in (1, 2, 100, 255, 256):
                assert client.tile(0, 0, width) == leaves[:width]
            for width in (1, 44):
                assert client.tile(0, 1, width) == leaves[256 : 256 + width]
            for path in ("0/001.p/45", "0/001", "0/002.p/1", "1/000.p/2", "1/000", "2/000.p/1", "63/000.p/1"):
                assert client.get(f"tile/{path}").status == 404
            assert client.get("tile/0/x999/x999/x999/x999/999").status == 404

        await asyncio.to_thread(look)


class Unreachable:
    """A checkpoint guard that cannot be moved."""

    async def move(self, origin: str, expected: Guarded | None, to: Guarded) -> Guarded | None:
        raise GuardUnavailable("not now")


async def test_what_is_not_signed_yet_is_not_served(tmp_path: Path) -> None:
    async with log_at(f"sqlite:///{tmp_path / 'log.db'}", tmp_path) as log, served(log) as client:
        await grow(log, 5)
        guard, log.notary._guard = log.notary._guard, Unreachable()  # type: ignore[assignment]
        with pytest.raises(GuardUnavailable):
            await grow(log, 9)
        assert log.tree.size == 9, "it is committed"
        for path, status in (("checkpoint", 503), ("tile/0/000.p/9", 503), ("tile/0/000.p/5", 200)):
            assert (await asyncio.to_thread(client.get, path)).status == status
        log.notary._guard = guard
        assert (await asyncio.to_thread(client.get, "tile/0/000.p/9")).status == 200


async def test_entries_are_denied_unless_a_setting_allows_them(tmp_path: Path) -> None:
    async with log_at(f"sqlite:///{tmp_path / 'log.db'}", tmp_path) as log, served(log) as client:
        await grow(log, 300)
        for path in ("tile/entries/000", "tile/entries/001.p/44", "tile/entries/999"):
            got = await asyncio.to_thread(client.get, path)
            assert (got.status, got.body) == (403, b"denied by policy\n")


async def test_entries_that_are_allowed_hash_to_the_tiles_and_no_cache_may_share_them(tmp_path: Path) -> None:
    async with log_at(f"sqlite:///{tmp_path / 'log.db'}", tmp_path) as log, served(log, entries=True) as client:
        await grow(log, 300)

        def look() -> None:
            for index, width in ((0, 256), (0, 7), (1, 44)):
                hashes = client.tile(0, index, width)
                path = f"tile/entries/{place(index, width)}"
                plain, zipped = client.get(path), client.get(path, **{"Accept-Encoding": "gzip"})
                assert zipped.headers["content-encoding"] == "gzip" and gzip.decompress(zipped.body) == plain.body
                assert plain.headers["cache-control"].startswith("private")
                rest, found = plain.body, []
                while rest:
                    length = int.from_bytes(rest[:2], "big")
                    found.append(sha256(b"\x00" + rest[2 : 2 + length]).digest())
                    rest = rest[2 + length :]
                assert found == hashes
            assert client.get("tile/entries/001.p/45").status == 404
            assert client.get("tile/entries/002").status == 404

        await asyncio.to_thread(look)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("tile/0/0", 400),
        ("tile/0/0000", 400),
        ("tile/00/000", 400),
        ("tile/64/000", 400),
        ("tile/-1/000", 400),
        ("tile/0/000.p/0", 400),
        ("tile/0/000.p/256", 400),
        ("tile/0/000.p/01", 400),
        ("tile/0/000/", 400),
        ("tile/0/x000/000", 400),
        ("tile/0/001/000", 400),
        ("tile/0/../0/000", 400),
        ("tile/0/%30%30%30", 400),
        ("tile/0/000?x=1", 400),
        ("tile/", 400),
        ("tile/data/000", 400),
        ("checkpoint/", 404),
        ("checkpoint?x", 404),
        ("Checkpoint", 404),
        ("", 404),
        ("vkey", 404),
        ("../consent/checkpoint", 404),
        ("/checkpoint", 404),
    ],
)
async def test_every_other_path_is_refused(tmp_path: Path, path: str, status: int) -> None:
    async with log_at(f"sqlite:///{tmp_path / 'log.db'}", tmp_path) as log, served(log, entries=True) as client:
        await grow(log, 300)
        assert (await asyncio.to_thread(client.get, path)).status == status


async def test_unknown_logs_and_other_methods_lead_nowhere(tmp_path: Path) -> None:
    async with log_at(f"sqlite:///{tmp_path / 'log.db'}", tmp_path) as log, served(log) as client:
        await grow(log, 5)
        for method, status in (("POST", 405), ("PUT", 405), ("DELETE", 405), ("HEAD", 200)):
            got = await asyncio.to_thread(client.get, "checkpoint", method)
            assert (got.status, "allow" in got.headers) == (status, status == 405)
        client._prefix = "/notifier"
        assert (await asyncio.to_thread(client.get, "checkpoint")).status == 404
        client._prefix = ""
        assert (await asyncio.to_thread(client.get, "checkpoint")).status == 404


async def test_no_path_at_random_breaks_the_server_or_is_served_unless_it_is_a_tile(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with log_at(f"sqlite:///{tmp_path / 'log.db'}", tmp_path) as log, served(log, entries=True) as client:
        await grow(log, 300)

        def look() -> set[int]:
            seen = set()
            for _ in range(3000):
                path = "".join(chance.choice(PARTS) for _ in range(chance.randint(0, 8)))
                got = client.get("tile/" * chance.randint(0, 1) + path)
                seen.add(got.status)
                if got.status == 200 and "checkpoint" not in path:
                    assert got.headers["content-type"] == "application/octet-stream" and got.body
            return seen

        assert await asyncio.to_thread(look) == {200, 400, 404}


@settings(max_examples=500, deadline=None)
@given(st.text("tile/entrs0123456789x.p", max_size=40))
def test_what_is_a_path_has_one_spelling(path: str) -> None:
    with contextlib.suppress(TileError):
        found = parse_path(path)
        assert path.endswith(place(found.index, found.width))


def test_tiles_are_served_on_addresses_of_this_machine_only() -> None:
    with pytest.raises(InsecureAddress):
        TilesServer(Logs({}), entries=False).bind("0.0.0.0:0")
