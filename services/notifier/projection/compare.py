"""The tables against the log, row by row, without changing anything. `dispatch` numbers what the carrier was given,
which the log does not: of it, and of `progress`, only what must hold in itself is looked at.
"""

from collections.abc import Sequence

from consentledger.store.fsck.finding import Findings, Kind
from consentledger.store.fsck.streams import Stream
from consentledger.store.ledger import Row
from consentledger.store.reader import Reader
from services.notifier import codec
from services.notifier.domain.downstream import Downstreams
from services.notifier.domain.obligation import AnswerEvent, Obligation, StepEvent
from services.notifier.projection.write import downstream_row, obligation_row
from services.notifier.wire import evidence_to

_OBLIGATION = (
    "obligation, made, tenant, downstream, state, ledger_position, person, purposes, event_type, revoked_us, due_us, "
    "evidence"
)
_OBLIGATIONS = f"SELECT {_OBLIGATION} FROM obligation WHERE obligation > $1 AND obligation <= $2 ORDER BY obligation"
_BEYOND = "SELECT count(*) FROM obligation WHERE obligation > $1"
_DOWNSTREAMS = (
    "SELECT tenant, id, kind, purposes, namespace, display_name, paused, enforce_within_s, version, webhook "
    "FROM downstream ORDER BY tenant, id"
)
_NUMBERS = "SELECT count(*), coalesce(max(seq), 0) FROM dispatch"
_POINTERS = (
    "SELECT count(*) FROM obligation o WHERE o.dispatch IS NOT NULL AND NOT EXISTS "
    "(SELECT 1 FROM dispatch d WHERE d.seq = o.dispatch AND d.obligation = o.obligation)"
)
_INTAKE = "SELECT intake FROM progress"


class Comparison:
    """Takes all streams of a log, by id."""

    def __init__(self, reader: Reader, findings: Findings) -> None:
        self._reader = reader
        self._findings = findings
        self._last = b""
        self._downstreams: dict[tuple[str, str], tuple[int, Row]] = {}

    async def take(self, streams: Sequence[Stream]) -> None:
        """Compare the obligations up to the last of these streams."""
        made: dict[bytes, Row] = {}
        for stream in streams:
            if not stream.entries[0].tenant:
                continue
            try:
                row = self._fold(stream)
            except Exception:
                self._findings.add(Kind.STREAM_UNFOLDABLE, stream.last)
                continue
            if row is not None:
                made[stream.id] = row
        stored = {row[0]: row for row in await self._reader.fetch(_OBLIGATIONS, self._last, streams[-1].id)}
        places = {stream.id: stream.last for stream in streams}
        for id in sorted(made.keys() | stored.keys()):
            if made.get(id) != stored.get(id):
                self._findings.add(Kind.PROJECTION_DIFFERS, places.get(id, 0), "obligation")
        self._last = streams[-1].id

    async def finish(self) -> None:
        """Compare what belongs to no stream, the downstreams and the numbers."""
        for _ in range((await self._reader.fetch(_BEYOND, self._last))[0][0]):
            self._findings.add(Kind.PROJECTION_DIFFERS, 0, "obligation")
        stored = {(row[0], row[1]): row for row in await self._reader.fetch(_DOWNSTREAMS)}
        for key in sorted(stored.keys() | self._downstreams.keys()):
            position, row = self._downstreams.get(key, (0, None))
            if row != stored.get(key):
                self._findings.add(Kind.PROJECTION_DIFFERS, position, "downstream")
        [(count, newest)] = await self._reader.fetch(_NUMBERS)
        [(wrong,)] = await self._reader.fetch(_POINTERS)
        if count != newest or wrong:
            self._findings.add(Kind.PROJECTION_DIFFERS, 0, "dispatch")

    def _fold(self, stream: Stream) -> Row | None:
        """The obligation's row; None for a tenant's downstreams, which are kept."""
        row: Row | None = None
        for entry in stream.entries:
            event = codec.load(entry)
            if isinstance(event, Downstreams.Created | Downstreams.Changed):
                key = (entry.tenant, event.downstream.id)
                self._downstreams[key] = entry.position, downstream_row(entry.tenant, event.downstream)
            elif isinstance(event, Obligation.Created):
                row = (*obligation_row(event, None)[:-1], None)
            elif isinstance(event, StepEvent):
                assert row is not None
                evidence = row[-1]
                if isinstance(event, AnswerEvent):
                    evidence = evidence_to(event.evidence).SerializeToString(deterministic=True)
                row = (*row[:4], int(codec.step_of(event)), *row[5:-1], evidence)
        return row


async def intake(reader: Reader) -> int:
    """How far the consent service's log was taken in."""
    [(position,)] = await reader.fetch(_INTAKE)
    return int(position)
