"""A guard in a PostgreSQL database that is not the events' own: for replicas. SQL of the store.

Keep it where a restore of the events' database cannot reach it: another server, with backups of its own.
"""

from consentledger.store.guard import Guard, Guarded, GuardUnavailable
from consentledger.store.ledger import StoreUnavailable
from consentledger.store.postgres_server import PostgresServer
from consentledger.store.schema import Migration, Schema

_READ = "SELECT size, root FROM guarded WHERE origin = $1"
_OPENING = "SELECT 1"
_FIRST = "INSERT INTO guarded (origin, size, root) VALUES ($1, $2, $3) ON CONFLICT (origin) DO NOTHING"
_MOVE = "UPDATE guarded SET size = $2, root = $3 WHERE origin = $1 AND size = $4 AND root = $5"


def guard_schema() -> Schema:
    """The guard's schema, `guard`."""
    table = "CREATE TABLE guarded (origin text PRIMARY KEY, size {int} NOT NULL, root {bytes} NOT NULL) {table}"
    return Schema("guard", (("guard", (Migration(1, "guarded", (table,)),)),))


class PostgresGuard(Guard):
    """See `Guard`."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    @classmethod
    async def open(cls, url: str) -> "PostgresGuard":
        """Open it. Raises StoreUnavailable or SchemaTooOld."""
        return cls(await PostgresServer.open(url, guard_schema()))

    async def read(self, origin: str) -> Guarded | None:
        try:
            rows = await self._server.read(_READ, origin)
        except StoreUnavailable:
            raise GuardUnavailable("the checkpoint guard cannot be reached") from None
        return Guarded(*rows[0]) if rows else None

    async def move(self, origin: str, expected: Guarded | None, to: Guarded) -> Guarded | None:
        new = (origin, to.size, to.root)
        try:
            async with self._server.transaction(_OPENING) as work:
                if expected is None:
                    await work.executemany(_FIRST, [new])
                else:
                    await work.executemany(_MOVE, [(*new, expected.size, expected.root)])
                rows = await work.fetch(_READ, origin)
        except StoreUnavailable:
            raise GuardUnavailable("the checkpoint guard cannot be moved") from None
        return Guarded(*rows[0]) if rows else None

    async def close(self) -> None:
        await self._server.close()
