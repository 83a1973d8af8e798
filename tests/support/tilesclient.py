"""A client of C2SP tlog-tiles written from the specification, on the standard library's HTTP client.

It knows nothing of our tiles: where they are and what must be in them is computed here once more.
"""

import http.client
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Got:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes


class TilesClient:
    """Reads one log below a prefix. Blocks: call it in a thread."""

    def __init__(self, port: int, prefix: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self._prefix = prefix

    def get(self, path: str, method: str = "GET", **headers: str) -> Got:
        """One response, on a connection that is kept."""
        self._connection.request(method, f"{self._prefix}/{path}", headers=headers)
        response = self._connection.getresponse()
        return Got(response.status, {n.lower(): v for n, v in response.getheaders()}, response.read())

    def tile(self, level: int, index: int, width: int) -> list[bytes]:
        """The hashes of one tile."""
        got = self.get(f"tile/{level}/{place(index, width)}")
        assert got.status == 200, (level, index, width, got.status)
        assert got.headers["content-type"] == "application/octet-stream"
        assert "immutable" in got.headers["cache-control"]
        assert len(got.body) == 32 * width
        return [got.body[n : n + 32] for n in range(0, len(got.body), 32)]

    def level(self, level: int, size: int) -> list[bytes]:
        """All hashes of a level of the tree of `size` leaves."""
        full, rest = divmod(size // 256**level, 256)
        widths = [256] * full + ([rest] if rest else [])
        return [one for index, width in enumerate(widths) for one in self.tile(level, index, width)]

    def root(self, size: int) -> bytes:
        """The root, after every tile of every level was found to be what the one below makes it."""
        below = self.level(0, size)
        root = mth_of_hashes(below)
        level = 1
        while len(below) >= 256:
            above = self.level(level, size)
            assert above == [mth_of_hashes(below[n : n + 256]) for n in range(0, len(below) - 255, 256)]
            below, level = above, level + 1
        return root

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def place(index: int, width: int = 256) -> str:
    """The last part of a tile's path."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    return "/".join(groups) + ("" if width == 256 else f".p/{width}")


def mth_of_hashes(hashes: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, over leaf hashes; of none, the hash of nothing."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256().digest()
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha256(b"\x01" + mth_of_hashes(hashes[:split]) + mth_of_hashes(hashes[split:])).digest()
