"""A log in a real database, an insider who owns that database, and what becomes of it: refused, cut short, or exported.

The insider may do all that a database lets its owner do: triggers and unique keys are gone before a row is touched.
"""

import contextlib
import io
import random
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path

import asyncpg

from consentledger.cli.exportform import ExportWriter
from consentledger.crypto.keyring import FileKeyring
from consentledger.errors import LedgerError
from consentledger.store.guard import Guarded
from consentledger.store.guard_file import FileGuard
from consentledger.store.ledger import Entry, FullTile, NotAsSigned
from consentledger.store.logtree import LogTree
from consentledger.store.notary import signer_of
from consentledger.store.open import sqlite_path
from consentledger.store.signedlog import SignedLog
from consentledger.tlog.hashing import leaf_hash
from consentledger.v1 import audit_service_pb2 as au
from services.audit.exporting import export
from services.audit.logs import Logs
from tests.support.madeexport import Parties
from tests.support.signed import signed
from tests.support.stores import moved, opened

COLUMNS = ("position", "tenant", "stream", "version", "type", "recorded_us", "leaf", "ciphertext")


class Reach(Enum):
    """How far an insider goes."""

    ROWS = "rows"
    """The events only."""
    TREE = "tree"
    """The stored tree and the head too, so that they agree."""
    GUARD = "guard"
    """The checkpoint guard too: with the service's own signing key at hand, all that the operator has."""


class NoExport(Enum):
    """How a service answers to what was done."""

    REFUSED = "refused at start"
    CUT_SHORT = "the export has fewer events than it should, or is refused for that"


@dataclass
class Live:
    """A log that nobody has open."""

    url: str
    folder: Path
    """Of keyring and guard."""
    origin: str

    @cached_property
    def provider(self) -> FileKeyring:
        """The keyring."""
        return FileKeyring.open_or_create(self.folder / "keyring.json")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[SignedLog]:
        """Open it as a service does. Raises NotAsSigned."""
        async with opened(self.url) as store, signed(store, "consent", self.provider, self.folder) as log:
            yield log

    def parties(self, chance: random.Random) -> Parties:
        """Its own key, and nobody's witnesses."""
        return Parties(signer_of(self.provider, self.origin), Parties.of(chance).witnesses)

    async def fill(self, entries: Sequence[Entry], at_once: int = 1_000) -> None:
        """Append, as the committer does."""
        async with self.running() as log:
            for start in range(0, len(entries), at_once):
                some = entries[start : start + at_once]
                async with log.store.write() as tx:
                    await log.follow(tx)
                    grown = log.tree.grow([leaf_hash(entry.leaf) for entry in some])
                    await tx.append(some, (), moved(tx.head, some), grown.hashes, grown.tiles)
                await log.committed(grown)

    async def exported(self, *, ciphertexts: bool = True) -> bytes | NoExport:
        """Start on it and export everything, through the service's use case and the command's writer."""
        out, writer = io.BytesIO(), None
        try:
            async with self.running() as log:
                logs = Logs({"consent": log})
                async for chunk in export(logs, au.ExportLogRequest(ciphertexts=ciphertexts)):
                    if writer is None:
                        writer = ExportWriter(out, chunk.header, ciphertexts=ciphertexts)
                    else:
                        writer.entries(chunk.entries)
        except NotAsSigned:
            return NoExport.REFUSED
        except LedgerError:
            return NoExport.CUT_SHORT
        assert writer is not None
        return out.getvalue() if writer.finish() else NoExport.CUT_SHORT

    async def tamper(self, entries: Sequence[Entry], reach: Reach) -> None:
        """Make the database hold these events instead."""
        grown = LogTree().grow([leaf_hash(entry.leaf) for entry in entries])
        rows = [tuple(getattr(entry, column) for column in COLUMNS) for entry in entries]
        head = (len(entries), entries[-1].recorded_us, grown.root, grown.edge.pack())
        insider = _Sqlite(self.url) if sqlite_path(self.url) else _Postgres(self.url)
        await insider.replace(rows, None if reach is Reach.ROWS else (head, grown.tiles))
        if reach is Reach.GUARD:
            for file in (self.folder / "guard").iterdir():
                file.unlink()
            guard = FileGuard(self.folder / "guard")
            await guard.advance(self.origin, Guarded(len(entries), grown.root))
            await guard.close()


_Tree = tuple[tuple[int, int, bytes, bytes], Sequence[FullTile]]
_Rows = Sequence[tuple[object, ...]]


class _Sqlite:
    def __init__(self, url: str) -> None:
        self._path = sqlite_path(url)

    async def replace(self, rows: _Rows, tree: _Tree | None) -> None:
        assert self._path is not None
        with contextlib.closing(sqlite3.connect(self._path)) as file, file:
            # A table without triggers, keys and constraints, in the place of the one that has them.
            file.execute("CREATE TABLE other AS SELECT * FROM event WHERE 0")
            file.execute("DROP TABLE event")
            file.execute("ALTER TABLE other RENAME TO event")
            file.executemany(f"INSERT INTO event ({', '.join(COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            if tree is not None:
                head, tiles = tree
                file.execute("UPDATE log_head SET position = ?, recorded_us = ?, root = ?, edge = ?", head)
                file.execute("DELETE FROM tile")
                made = [(tile.level, tile.number, tile.hashes) for tile in tiles]
                file.executemany("INSERT INTO tile (level, number, hashes) VALUES (?, ?, ?)", made)


class _Postgres:
    def __init__(self, url: str) -> None:
        self._url = url

    async def replace(self, rows: _Rows, tree: _Tree | None) -> None:
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute("SET search_path TO consent")
            async with connection.transaction():
                await connection.execute("ALTER TABLE event DISABLE TRIGGER ALL")
                await connection.execute("ALTER TABLE event DROP CONSTRAINT event_stream_version_key")
                await connection.execute("DELETE FROM event")
                await connection.copy_records_to_table("event", records=rows, columns=COLUMNS, schema_name="consent")
                if tree is not None:
                    head, tiles = tree
                    await connection.execute(
                        "UPDATE log_head SET position = $1, recorded_us = $2, root = $3, edge = $4", *head
                    )
                    await connection.execute("DELETE FROM tile")
                    made = [(tile.level, tile.number, tile.hashes) for tile in tiles]
                    await connection.executemany("INSERT INTO tile (level, number, hashes) VALUES ($1, $2, $3)", made)
        finally:
            await connection.close()


async def made(url: str, folder: Path) -> Live:
    """A new, empty log. The folder exists."""
    provider = FileKeyring.open_or_create(folder / "keyring.json")
    async with opened(url) as store, signed(store, "consent", provider, folder) as log:
        return Live(url, folder, log.notary.origin)
