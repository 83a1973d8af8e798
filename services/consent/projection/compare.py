"""The tables against the log, row by row, without changing anything: the same rows that a rebuild would make.

Streams come by id, some at a time; a table's rows between the last id and the next must be exactly those that these
streams come to. So a row that belongs to nobody is found too, and memory holds a page.
"""

from collections.abc import Callable, Sequence
from itertools import chain

from consentledger.store.fsck.finding import Findings, Kind
from consentledger.store.fsck.streams import Stream
from consentledger.store.ledger import Row
from consentledger.store.reader import Reader
from services.consent.projection.rebuild import fold
from services.consent.projection.tables import COLUMNS, KEYS, Rows

_BY_PERSON = [table for table in KEYS if table != "catalogue"]


class Comparison:
    """Takes all streams of a log, by id."""

    def __init__(self, reader: Reader, findings: Findings) -> None:
        self._reader = reader
        self._findings = findings
        self._last = b""
        self._catalogues: list[Row] = []

    async def take(self, streams: Sequence[Stream]) -> None:
        """Compare the rows up to the last of these streams."""
        rows = self._fold([stream for stream in streams if stream.entries[0].tenant])
        self._catalogues += rows.by_table()["catalogue"]
        places = {stream.id: stream.last for stream in streams}
        for table in _BY_PERSON:
            stored = await self._read(table, "person > $1 AND person <= $2", self._last, streams[-1].id)
            self._compare(table, rows.by_table()[table], stored, lambda row: places.get(row[0], 0))
        self._last = streams[-1].id

    async def finish(self) -> None:
        """Compare what belongs to no stream, and the catalogues."""
        for table in _BY_PERSON:
            for _ in await self._read(table, "person > $1", self._last):
                self._findings.add(Kind.PROJECTION_DIFFERS, 0, table)
        stored = await self._read("catalogue", "stream IS NOT NULL")
        self._compare("catalogue", self._catalogues, stored, lambda row: 0)

    def _compare(self, table: str, made: Sequence[Row], stored: Sequence[Row], position: Callable[[Row], int]) -> None:
        key = len(KEYS[table])
        if sorted(made, key=lambda row: row[:key]) == stored:
            return
        ours = {row[:key]: row for row in made}
        theirs = {row[:key]: row for row in stored}
        for one in sorted(ours.keys() | theirs.keys()):
            if ours.get(one) != theirs.get(one):
                self._findings.add(Kind.PROJECTION_DIFFERS, position(one), table)

    async def _read(self, table: str, where: str, *args: bytes) -> list[Row]:
        key = ", ".join(KEYS[table])
        sql = f"SELECT {', '.join(COLUMNS[table])} FROM {table} WHERE {where} ORDER BY {key}"
        return list(await self._reader.fetch(sql, *args))

    def _fold(self, streams: Sequence[Stream]) -> Rows:
        try:
            return fold(list(chain.from_iterable(stream.entries for stream in streams)))
        except Exception:
            if len(streams) == 1:
                # Whatever it is: these events are not what this version can have written.
                self._findings.add(Kind.STREAM_UNFOLDABLE, streams[0].last)
                return Rows()
        rows = Rows()
        for stream in streams:
            for table, more in self._fold([stream]).by_table().items():
                rows.by_table()[table].extend(more)
        return rows
