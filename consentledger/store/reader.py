"""A database looked at from outside: read only, never migrated, beside whoever has it open. For commands, not services.

- A reader takes no lock that anybody waits for. In a SQLite file its snapshot keeps the write-ahead log from being
  emptied, so an erasure that is under way there waits until the reader is closed.
- With `snapshot`, everything read is as it was at one moment; else each query sees what is committed when it begins.
"""

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import asyncpg

from consentledger.store import schema as schemas
from consentledger.store.dialects import Dialect, numbered
from consentledger.store.ledger import Row, SchemaTooOld, StoreUnavailable
from consentledger.store.open import sqlite_path
from consentledger.store.postgres_server import CONNECT_TIMEOUT_S, PLANNING
from consentledger.store.postgres_server import translation as of_postgres
from consentledger.store.schema import Schema
from consentledger.store.sqlite_work import translation as of_sqlite

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

QUERY_TIMEOUT_S = 600.0
_BUSY_TIMEOUT_S = 5.0
_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name = 'consent-ledger' AND pid <> pg_backend_pid()"
)


class Reader(Protocol):
    """A connection that reads."""

    @property
    def dialect(self) -> Dialect:
        """Which words it takes."""

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        """One query, with `$1` placeholders. StoreUnavailable when the database cannot answer."""

    async def close(self) -> None:
        """Let go of the snapshot. Never raises."""


async def open_reader(url: str, schema: Schema, *, snapshot: bool | str = True) -> Reader:
    """Open the service's database at `url`. StoreUnavailable, SchemaTooOld, or NotAStore for another kind of URL.

    A text is the moment of another PostgreSQL reader, as its `share` named it.
    """
    path = sqlite_path(url)
    reader: SqliteReader | PostgresReader
    if path is not None:
        if not path.is_file():
            raise StoreUnavailable(f"there is no {path}")
        reader = SqliteReader(str(path.absolute()))
    else:
        reader = await PostgresReader.connect(url, schema.service)
    try:
        applied = await reader.versions(schema.service)
        schemas.refuse_if_behind(schema, [(row[0], row[1], row[2]) for row in applied])
        if snapshot:
            await reader.begin(snapshot if isinstance(snapshot, str) else "")
    except BaseException:
        await reader.close()
        raise
    return reader


async def others(reader: Reader) -> int:
    """How many other connections of the product there are to a PostgreSQL database; 0 for a file, which has a lock."""
    return int((await reader.fetch(_OTHERS))[0][0]) if reader.dialect == "postgresql" else 0


async def schemas_of(url: str, names: Sequence[str]) -> list[str]:
    """Which of these schemas a PostgreSQL database has."""
    reader = await PostgresReader.connect(url, "public")
    try:
        sql = "SELECT nspname FROM pg_namespace WHERE nspname = ANY($1::text[]) ORDER BY nspname"
        return [row[0] for row in await reader.fetch(sql, list(names))]
    finally:
        await reader.close()


async def major_of(url: str) -> int:
    """The major version of a PostgreSQL server."""
    reader = await PostgresReader.connect(url, "public")
    try:
        return await reader.major()
    finally:
        await reader.close()


class SqliteReader:
    """On a file. It runs where it is called: nobody else is waiting on a command's event loop."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: str) -> None:
        try:
            self.connection = sqlite3.connect(
                f"file:{quote(path)}?mode=ro", uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT_S
            )
        except sqlite3.Error as error:
            raise of_sqlite(error) from None

    async def versions(self, service: str) -> Sequence[Row]:
        """The migrations applied."""
        [(there,)] = await self.fetch("SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'")
        if not there:
            raise SchemaTooOld(f"there is no log of {service} in this file")
        return await self.fetch(schemas.READ_VERSIONS)

    async def begin(self, _moment: str = "") -> None:
        """Hold the state of now."""
        await self.fetch("BEGIN")
        await self.fetch("SELECT count(*) FROM schema_version")  # a snapshot is taken by the first read

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        try:
            return self.connection.execute(numbered(sql), args).fetchall()
        except sqlite3.Error as error:
            raise of_sqlite(error) from None

    async def close(self) -> None:
        self.connection.close()


class PostgresReader:
    """In a schema. Its transaction is read-only, and sees what was committed when it began."""

    dialect: Dialect = "postgresql"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    async def connect(cls, url: str, service: str) -> "PostgresReader":
        """Connect to the service's schema."""
        settings = {"search_path": service, "application_name": "consent-ledger", "default_transaction_read_only": "on"}
        try:
            connection = await asyncpg.connect(
                url, timeout=CONNECT_TIMEOUT_S, command_timeout=QUERY_TIMEOUT_S, server_settings=settings | PLANNING
            )
        except (asyncpg.SyntaxOrAccessError, ValueError) as error:
            raise StoreUnavailable(f"PostgreSQL refuses the connection: {type(error).__name__}") from None
        except Exception as error:
            raise of_postgres(error) from None
        return cls(connection)

    async def versions(self, service: str) -> Sequence[Row]:
        """The migrations applied."""
        try:
            return await self.fetch(schemas.READ_VERSIONS)
        except asyncpg.UndefinedTableError:
            raise SchemaTooOld(f"there is no schema {service}: run the migration command") from None

    async def begin(self, moment: str = "") -> None:
        """Hold the state of now, or of another reader's moment."""
        try:
            await self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            if moment:
                await self._connection.execute(f"SET TRANSACTION SNAPSHOT '{moment}'")
        except Exception as error:
            raise of_postgres(error) from None

    async def major(self) -> int:
        """The server's major version."""
        return int((await self.fetch("SELECT current_setting('server_version_num')"))[0][0]) // 10_000

    async def share(self) -> str:
        """A name for this reader's moment; good for as long as the reader is open."""
        return str((await self.fetch("SELECT pg_export_snapshot()"))[0][0])

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        try:
            rows = await self._connection.fetch(sql, *args)
        except Exception as error:
            raise of_postgres(error) from None
        return [tuple(row) for row in rows]

    async def close(self) -> None:
        self._connection.terminate()
