"""The key store beside the streams, both by person: who should have a key has one, and nobody else does.

The key store is read page by page, later than the log, and not as it was at one moment: it changes while the log does.
A key is made before the first event that needs it and destroyed after the event that says so; a person found without
one is therefore looked up once more in the log of now.
"""

from collections.abc import Sequence

from consentledger.store.dialects import among
from consentledger.store.fsck.finding import Findings, Kind
from consentledger.store.fsck.streams import Stream
from consentledger.store.fsck.walk import ERASED
from consentledger.store.reader import Reader

_PAGE = 5_000
_KEYS = f"SELECT person FROM person_key WHERE person > $1 AND person <= $2 ORDER BY person LIMIT {_PAGE}"
_REST = "SELECT count(*) FROM person_key WHERE person > $1"


class Keys:
    """Takes the streams by id, in order."""

    def __init__(self, keys: Reader, log_now: Reader, findings: Findings) -> None:
        self._keys = keys
        self._log_now = log_now
        self._findings = findings
        self._last = b""
        self.count = 0
        """Keys seen."""
        self.orphans = 0
        """Keys of persons without any event: left by refused requests and crashes, and swept by the service."""

    async def take(self, streams: Sequence[Stream]) -> None:
        """Compare the next streams with the keys up to the last of them."""
        held = await self._upto(streams[-1].id)
        known = {stream.id for stream in streams}
        self.orphans += len(held - known)
        without = [s for s in streams if s.sealed and not s.erased and s.id not in held]
        if without:
            condition, args = among(self._log_now.dialect, "stream", 2, [s.id for s in without])
            sql = f"SELECT stream FROM event WHERE type = $1 AND {condition}"
            erased = {bytes(row[0]) for row in await self._log_now.fetch(sql, ERASED, *args)}
            for stream in without:
                if stream.id not in erased:
                    self._findings.add(Kind.KEY_MISSING, stream.last)
        for stream in streams:
            if stream.destroyed and stream.id in held:
                self._findings.add(Kind.KEY_LEFT, stream.last)

    async def finish(self) -> None:
        """Count what follows the last stream."""
        [(rest,)] = await self._keys.fetch(_REST, self._last)
        self.count += rest
        self.orphans += rest

    async def _upto(self, last: bytes) -> set[bytes]:
        held: set[bytes] = set()
        while rows := await self._keys.fetch(_KEYS, self._last, last):
            held.update(bytes(row[0]) for row in rows)
            self._last = bytes(rows[-1][0])
        self.count += len(held)
        self._last = last
        return held
