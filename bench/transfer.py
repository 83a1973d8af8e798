"""Copies a ledger that nobody has open from its SQLite files into PostgreSQL, table by table, in a process of its own.

    python -m bench.transfer '{"from": ["consent.db", "keys.db"], "to": [URL, URL]}'

The tables of both stores have the same names and columns, so the copy is the same log, epoch included. It spares
deciding a million acts twice.
"""

import asyncio
import json
import sqlite3
import sys
import time

import asyncpg

from consentledger.store.open import migrate_keystore, migrate_store
from services.consent.projection.tables import MIGRATIONS

SCHEMAS = ("consent", "keys")
MADE_BY_MIGRATION = ("log_head", "outbox_mark", "epoch_floor")
AT_ONCE = 20_000


async def _copy(path: str, url: str, schema: str) -> None:
    file = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection = await asyncpg.connect(url)
    try:
        tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            if table == "schema_version" or table.startswith("sqlite_"):
                continue
            if table in MADE_BY_MIGRATION:
                await connection.execute(f"DELETE FROM {schema}.{table}")  # noqa: S608
            cursor = file.execute(f"SELECT * FROM {table}")  # noqa: S608
            columns = [column[0] for column in cursor.description]
            while rows := cursor.fetchmany(AT_ONCE):
                await connection.copy_records_to_table(table, records=rows, columns=columns, schema_name=schema)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
        file.close()


async def transfer(paths: list[str], urls: list[str]) -> None:
    """Migrate both databases and fill them."""
    await migrate_store(urls[0], "consent", MIGRATIONS)
    await migrate_keystore(urls[1])
    for path, url, schema in zip(paths, urls, SCHEMAS, strict=True):
        await _copy(path, url, schema)


def main(argument: str) -> None:
    """Do it; print how long it took."""
    job = json.loads(argument)
    began = time.monotonic()
    asyncio.run(transfer(job["from"], job["to"]))
    print(json.dumps({"seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main(sys.argv[1])
