"""One service's schema on a PostgreSQL server: its connections, its transactions, its migrations. No SQL of the ledger.

- One connection writes; up to four read, the one used last first, so that a caller that has one query in flight at a
  time always meets a connection with everything prepared. A lost connection is replaced at the next use.
- All run at READ COMMITTED: a statement sees everything committed before it began. On a primary, reads are therefore
  linearizable; the URL must lead to one.
- Every query here is a lookup by key. Plans are generic (planned once) and prefer indexes, whatever the statistics of
  a table that was empty when the plan was made.
- A writer that stalls inside a transaction is cut off by the server, so that it cannot hold the log head for ever; the
  others wait for longer than that.
- COMMIT has no time limit on the server: a commit that is cancelled while it waits for a standby reports success.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from consentledger.store import schema as schemas
from consentledger.store.dialects import Dialect
from consentledger.store.ledger import OutcomeUnknown, Row, SchemaTooOld, StoreUnavailable, WriteRefused
from consentledger.store.schema import Schema

T = TypeVar("T")
if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]  # generic in the stubs only
else:
    Connection = asyncpg.Connection

READERS = 4
CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 12.0
LOCK_TIMEOUT_MS = 8_000
STALLED_WRITER_MS = 5_000

PLANNING = {
    "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_hashjoin": "off",
    "enable_mergejoin": "off", "jit": "off",
}  # fmt: skip
WRITING = {
    "lock_timeout": str(LOCK_TIMEOUT_MS), "idle_in_transaction_session_timeout": str(STALLED_WRITER_MS),
    "default_transaction_isolation": "read committed",
}  # fmt: skip
READING = {"default_transaction_read_only": "on", "statement_timeout": str(int(COMMAND_TIMEOUT_S * 1000))}

LOST = (
    asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError,
)  # fmt: skip
"""The connection is gone or going. (TimeoutError is an OSError. InternalClientError is what the driver raises for a
connection on which the server has said goodbye while it was idle.)
"""


def translation(error: Exception) -> Exception:
    """Our error for the driver's, without its text, which may quote values. Defects in our SQL stay what they are."""
    if isinstance(error, asyncpg.DataError | asyncpg.IntegrityConstraintViolationError):
        code = getattr(error, "sqlstate", None) or "an argument of the wrong type"
        return WriteRefused(f"PostgreSQL refused: {code}")
    if isinstance(error, asyncpg.SyntaxOrAccessError) and not isinstance(error, asyncpg.InsufficientPrivilegeError):
        return error
    if isinstance(error, asyncpg.PostgresError):
        return StoreUnavailable(f"PostgreSQL: {error.sqlstate}")
    if isinstance(error, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return StoreUnavailable(f"PostgreSQL cannot be reached: {type(error).__name__}")
    return error


class PostgresWork:
    """An open write transaction."""

    def __init__(self, connection: Connection, first: Sequence[Row]) -> None:
        self._connection = connection
        self.first = first
        self.open = True

    async def fetch(self, sql: str, *args: Any) -> Sequence[Row]:
        rows = await self._call(self._connection.fetch(sql, *args))
        return [tuple(row) for row in rows]

    async def executemany(self, sql: str, rows: Iterable[Row]) -> None:
        if all_rows := list(rows):
            await self._call(self._connection.executemany(sql, all_rows))

    async def _call(self, call: Awaitable[T]) -> T:
        if not self.open:
            call.close()  # type: ignore[attr-defined]  # a coroutine that must not start
            raise StoreUnavailable("the transaction has ended")
        try:
            return await call
        except Exception as error:
            raise translation(error) from None


class PostgresServer:
    """One service's schema, open. Made by `open`."""

    dialect: Dialect = "postgresql"

    def __init__(self, url: str, service: str) -> None:
        self._url = url
        self._service = service
        self._turn = asyncio.Lock()
        self._writer: Connection | None = None
        self._free: list[Connection] = []
        self._lent: set[Connection] = set()
        self._may_read = asyncio.Semaphore(READERS)
        self._commit_was_cut_short = False
        self._closed = False

    @classmethod
    async def open(cls, url: str, schema: Schema) -> "PostgresServer":
        """Connect. Raises SchemaTooOld when migrations are missing, StoreUnavailable when the server cannot be used."""
        server = cls(url, schema.service)
        try:
            applied = await server.read(schemas.READ_VERSIONS)
            schemas.refuse_if_behind(schema, [(row[0], row[1], row[2]) for row in applied])
        except asyncpg.UndefinedTableError:
            await server.close()
            raise SchemaTooOld(f"there is no schema {schema.service}: run the migration command") from None
        except BaseException:
            await server.close()
            raise
        return server

    async def _connect(self, settings: dict[str, str]) -> Connection:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        connection: Connection | None = None
        try:
            connection = await asyncpg.connect(
                self._url,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                statement_cache_size=512,
                max_cached_statement_lifetime=0,
                max_cacheable_statement_size=0,
                server_settings={"search_path": self._service, "application_name": "consent-ledger", **settings},
            )
            # A server may be set to lose acknowledged commits in a crash; ours must not be.
            if await connection.fetchval("SHOW synchronous_commit") == "off":
                await connection.execute("SET synchronous_commit = on")
            return connection
        except BaseException as error:
            if connection is not None:
                connection.terminate()
            if isinstance(error, asyncpg.SyntaxOrAccessError | ValueError):
                # Also a wrong password or a URL that cannot be read: it must not be quoted.
                raise StoreUnavailable(f"PostgreSQL refuses the connection: {type(error).__name__}") from None
            if isinstance(error, Exception):
                raise translation(error) from None
            raise

    # --- writing

    @contextlib.asynccontextmanager
    async def transaction(self, opening: str) -> AsyncIterator[PostgresWork]:
        """See `Database.transaction`. Transactions of one process take turns before they meet those of others."""
        async with self._turn:
            connection, first = await self._begin(opening)
            work = PostgresWork(connection, first)
            try:
                yield work
            except BaseException:
                work.open = False
                await asyncio.shield(self._roll_back(connection))
                raise
            work.open = False
            await self._commit(connection)

    async def _begin(self, opening: str) -> tuple[Connection, Sequence[Row]]:
        # Nothing has happened yet, so a connection that was lost while idle is replaced without the caller's notice.
        for last_try in (False, True):
            connection = self._writer
            if connection is None or connection.is_closed():
                connection = self._writer = await self._connect(PLANNING | WRITING)
                connection.add_log_listener(self._heed_warning)
            try:
                await connection.execute("BEGIN")
                return connection, [tuple(row) for row in await connection.fetch(opening)]
            except BaseException as error:
                await asyncio.shield(self._roll_back(connection))
                if isinstance(error, LOST) and not isinstance(error, TimeoutError) and not last_try:
                    continue
                raise translation(error) if isinstance(error, Exception) else error from None
        raise AssertionError("unreachable")

    async def _roll_back(self, connection: Connection) -> None:
        try:
            await connection.execute("ROLLBACK", timeout=1.0)
        except BaseException:
            self._drop_writer(connection)  # a server that loses its client rolls back

    def _drop_writer(self, connection: Connection) -> None:
        connection.terminate()
        if self._writer is connection:
            self._writer = None

    async def _commit(self, connection: Connection) -> None:
        if connection.is_closed():
            self._drop_writer(connection)
            raise StoreUnavailable("PostgreSQL ended the connection before COMMIT")
        self._commit_was_cut_short = False
        try:
            # The commit point. Before: nothing happened. After: everything did, whether or not anybody hears of it.
            outcome = await connection.execute("COMMIT")
        except (asyncpg.IntegrityConstraintViolationError, asyncpg.TransactionRollbackError) as error:
            await asyncio.shield(self._roll_back(connection))
            if isinstance(error, asyncpg.StatementCompletionUnknownError):
                raise OutcomeUnknown(f"PostgreSQL: {error.sqlstate} at COMMIT") from None
            raise translation(error) from None
        except BaseException as error:
            self._drop_writer(connection)
            if isinstance(error, Exception):
                code = getattr(error, "sqlstate", None) or type(error).__name__
                raise OutcomeUnknown(f"PostgreSQL: {code} at COMMIT") from None
            raise
        if outcome != "COMMIT":
            raise StoreUnavailable("PostgreSQL rolled the transaction back: a statement in it had failed")
        if self._commit_was_cut_short:
            raise OutcomeUnknown("PostgreSQL stopped waiting for its standby at COMMIT")

    def _heed_warning(self, _: object, message: Any) -> None:
        """COMMIT that an operator cancels while it waits for a standby answers COMMIT, after a warning."""
        self._commit_was_cut_short |= getattr(message, "severity_en", None) == "WARNING"

    # --- reading

    async def read(self, sql: str, *args: Any) -> Sequence[Row]:
        """See `Database.read`. Tried twice: reading again does no harm."""
        for last_try in (False, True):
            async with self._may_read:
                try:
                    connection = self._free.pop() if self._free else await self._connect(PLANNING | READING)
                    if connection.is_closed():
                        connection = await self._connect(PLANNING | READING)
                    rows = await self._read_on(connection, sql, args)
                    return [tuple(row) for row in rows]
                except LOST as error:
                    if last_try or isinstance(error, TimeoutError):
                        raise translation(error) from None
                except asyncpg.PostgresError as error:
                    raise translation(error) from None
        raise AssertionError("unreachable")

    async def _read_on(self, connection: Connection, sql: str, args: tuple[Any, ...]) -> list[asyncpg.Record]:
        self._lent.add(connection)
        reusable = False
        try:
            rows = await connection.fetch(sql, *args)
            reusable = True
            return rows
        except (asyncpg.SyntaxOrAccessError, asyncpg.DataError):
            reusable = True
            raise
        finally:
            self._lent.discard(connection)
            if reusable and not self._closed:
                self._free.append(connection)
            else:
                connection.terminate()

    async def scan(self, sql: str, *args: Any) -> Sequence[Row]:
        """See `Database.scan`: `read` has several connections already."""
        return await self.read(sql, *args)

    async def scrub(self, values: Sequence[bytes] | None) -> None:
        """Nothing: deleted rows leave with VACUUM, and backups become useless when the epoch key is destroyed."""

    async def close(self) -> None:
        """Finish the write in progress, close every connection. Reads in flight fail."""
        async with self._turn:
            self._closed = True
            connections = [*self._free, *([self._writer] if self._writer else [])]
            self._free, self._writer = [], None
            for connection in self._lent:
                connection.terminate()
            for connection in connections:
                with contextlib.suppress(Exception):
                    await connection.close(timeout=1.0)
