"""The migration command's work on PostgreSQL. Services never call it: they refuse a schema that is too old."""

from collections.abc import Awaitable, Callable

import asyncpg

from consentledger.store import schema as schemas
from consentledger.store.dialects import render
from consentledger.store.postgres_server import CONNECT_TIMEOUT_S, Connection, translation
from consentledger.store.schema import Schema

MIGRATION_LOCK = 0x636F6E73656E7401


async def migrate(url: str, schema: Schema) -> None:
    """Create or update the service's schema, all or nothing. Safe to run twice, and twice at once."""
    connect: Callable[..., Awaitable[Connection]] = asyncpg.connect
    try:
        connection = await connect(url, timeout=CONNECT_TIMEOUT_S, server_settings={"search_path": schema.service})
        try:
            async with connection.transaction():
                await connection.execute(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
                await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema.service}")
                await connection.execute(render("postgresql", schemas.VERSIONS_TABLE))
                applied = await connection.fetch(schemas.READ_VERSIONS)
                for component, step in schemas.missing(schema, [(row[0], row[1], row[2]) for row in applied]):
                    for sql in step.rendered("postgresql"):
                        await connection.execute(sql)
                    await connection.execute(schemas.WRITE_VERSION, component, step.number, step.name, schema.service)
        finally:
            await connection.close()
    except Exception as error:
        raise translation(error) from None
