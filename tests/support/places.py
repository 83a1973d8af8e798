"""What lies outside the services: the tables of any of our databases, the messages of a stream, PostgreSQL's own files.

Read by connections of the test's own, so that nothing is filtered on the way.
"""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from consentledger.bus.connection import Bus
from tests.support.canary import files
from tests.support.postgres import External

Tables = dict[str, list[tuple[Any, ...]]]
_OURS = (
    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
    "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
)


def sqlite_tables(path: Path) -> Tables:
    """Every row of a SQLite file, which may be open elsewhere."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}
    finally:
        connection.close()


def postgres_tables(server: External, url: str) -> Tables:
    """Every row of every schema of a database."""
    names = [row[0] for row in server.run(_OURS, url=url)]
    return {name: server.run(f"SELECT * FROM {name}", url=url) for name in names}


def postgres_files(server: External, url: str) -> Iterator[tuple[str, bytes]]:
    """The data directory and the server's log, if they are on this machine: everything flushed to them."""
    server.run("CHECKPOINT")
    folder = Path(server.run("SHOW data_directory", url=url)[0][0])
    if folder.is_dir():
        yield from files(folder.parent)


async def messages(bus: Bus, stream: str) -> list[tuple[str, bytes]]:
    """Every message of a stream with its subject and headers, as bytes."""
    last = (await bus.request_json(f"$JS.API.STREAM.INFO.{stream}"))["state"]["last_seq"]

    async def one(sequence: int) -> tuple[str, bytes]:
        found = await bus.request(f"$JS.API.DIRECT.GET.{stream}", json.dumps({"seq": sequence}).encode())
        return f"stream {stream}", f"{found.subject} {dict(found.headers)} ".encode() + found.payload

    return list(await asyncio.gather(*(one(sequence) for sequence in range(1, last + 1))))
