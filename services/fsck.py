"""Whether everything that is stored is what it says: the logs, their projections, the key store, the streams.

Reads only, and beside running services. Nothing waits for it, but that in SQLite an erasure under way does. Classes of
differences are in `consentledger.store.fsck.finding`; what to do about each is in docs/runbooks/fsck.md.
"""

import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from consentledger.bus.connection import Bus, connect
from consentledger.bus.errors import BusError
from consentledger.bus.reading import differing
from consentledger.bus.streams import StreamState, ledger_stream, stream_state
from consentledger.settings import ServiceSettings
from consentledger.store.fsck.finding import Findings, Kind
from consentledger.store.fsck.keys import Keys
from consentledger.store.fsck.log import Checked, check_log, guarded, leaf_at
from consentledger.store.guard import Guard
from consentledger.store.ledger import StoreUnavailable
from consentledger.store.open import open_guard
from consentledger.store.reader import Reader, open_reader
from consentledger.store.schema import key_schema, log_schema
from services.consent.projection.compare import Comparison as ConsentTables
from services.embedded import ALL, MIGRATIONS, guard_url, keys_url, store_url
from services.notifier.projection.compare import Comparison as NotifierTables
from services.notifier.projection.compare import intake

Progress = Callable[[str, int, int], None]
"""(which log, done, of)."""
_ASKED_S = 2.0


@dataclass(slots=True)
class Report:
    """What was found."""

    logs: list[Checked] = field(default_factory=list)
    keys: int = 0
    """Person keys."""
    orphans: int = 0
    """Keys of persons without an event; they are swept by the service."""
    carried: dict[str, int | None] = field(default_factory=dict)
    """By log: how far its stream is, None if it is absent. Empty when no NATS was asked."""

    @property
    def clean(self) -> bool:
        """Whether nothing differs."""
        return all(log.findings.clean for log in self.logs)


async def fsck(settings: ServiceSettings, progress: Progress, names: Sequence[str] = ALL) -> Report:
    """Compare all of these services. Raises StoreUnavailable, SchemaTooOld, NotAStore or BusError when it cannot."""
    if settings.store and not (settings.keys and settings.guard):
        raise StoreUnavailable("with --store, name key store and guard too (--keys, --guard)")
    report = Report()
    async with AsyncExitStack() as stack:
        guard = await open_guard(guard_url(settings))
        stack.push_async_callback(guard.close)
        bus = await stack.enter_async_context(_bus(settings))
        # The notifier before the log that it follows: what it has taken in must be there then.
        taken = 0
        for name in [name for name in ("notifier", "consent", "rights") if name in names]:
            found = Checked(name)
            report.logs.append(found)
            stream = ledger_stream(name).name
            state = await stream_state(bus, stream) if bus is not None else None
            reader = await _log(stack, settings, found, guard, report, partial(progress, name))
            if name == "notifier":
                taken = await intake(reader)
            elif name == "consent" and taken > found.head.position:
                report.logs[0].findings.add(Kind.PROGRESS_AHEAD, 0, "intake")
            if bus is not None:
                report.carried[name] = state.last if state is not None else None
                if state is not None:
                    await _compare_stream(bus, stream, state, reader, found)
    report.logs.sort(key=lambda log: ALL.index(log.service))
    return report


async def _log(
    stack: AsyncExitStack,
    settings: ServiceSettings,
    found: Checked,
    guard: Guard,
    report: Report,
    progress: Callable[[int, int], None],
) -> Reader:
    """Check one log and what belongs to it; the snapshot that was read."""
    name, findings = found.service, found.findings
    url, schema = store_url(settings, name), log_schema(name, MIGRATIONS[name])
    now = await open_reader(url, schema, snapshot=False)
    stack.push_async_callback(now.close)
    kept = await guarded(now, guard)
    reader = await open_reader(url, schema)
    stack.push_async_callback(reader.close)
    if name == "rights":
        await check_log(found, reader, kept, progress)
    elif name == "notifier":
        tables = NotifierTables(reader, findings)
        await check_log(found, reader, kept, progress, [tables.take])
        await tables.finish()
    else:
        keys_reader = await open_reader(keys_url(settings), key_schema(), snapshot=False)
        stack.push_async_callback(keys_reader.close)
        keys, made = Keys(keys_reader, now, findings), ConsentTables(reader, findings)
        await check_log(found, reader, kept, progress, [keys.take, made.take])
        await keys.finish()
        await made.finish()
        report.keys, report.orphans = keys.count, keys.orphans
    return reader


async def _compare_stream(bus: Bus, stream: str, state: StreamState, reader: Reader, found: Checked) -> None:
    findings: Findings = found.findings
    if state.last > found.head.position:
        findings.add(Kind.PROGRESS_AHEAD, found.head.position, f"stream {stream}")
        return
    sequence = await differing(bus, stream, state, partial(leaf_at, reader))
    if sequence is not None:
        findings.add(Kind.CARRIED_DIFFERS, sequence, stream)


@contextlib.asynccontextmanager
async def _bus(settings: ServiceSettings) -> AsyncIterator[Bus | None]:
    """The NATS that was named, or the embedded one if it runs."""
    bus: Bus | None = None
    if settings.nats:
        bus = await connect(settings.nats, "consentledger", credentials=settings.nats_credentials or None)
    elif not settings.store:
        with contextlib.suppress(OSError, ValueError, KeyError, BusError):
            login = json.loads((Path(settings.data) / "nats.json").read_text())
            at = urlsplit(login["url"])
            socket.create_connection((at.hostname or "", at.port or 0), _ASKED_S).close()  # refused at once if stopped
            bus = await connect(
                login["url"], "consentledger", user=login["user"], password=login["password"], timeout=_ASKED_S
            )
    try:
        yield bus
    finally:
        if bus is not None:
            await bus.close()
