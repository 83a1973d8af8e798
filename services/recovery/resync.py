"""`resync`: a restored log brought back to what was signed, from exports. Projection and streams follow.

Done again, it finishes what a crash left: the log itself is whole or untouched, what comes after it may be half done.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from consentledger.settings import ServiceSettings
from consentledger.store import resync as store
from consentledger.store.ledger import Transaction
from consentledger.store.resync import Copy, Resynced
from services.consent.projection.rebuild import refold
from services.embedded import ALL
from services.notifier.projection.rebuild import rebuild_within
from services.recovery import alone
from services.recovery.carriers import carriers
from services.recovery.exportfile import BadExport, ExportFile

_ERASED_AT_ONCE = 500


async def resync(
    settings: ServiceSettings, sources: Sequence[Path], *, partial: bool, progress: Callable[[int, int], None]
) -> tuple[str, Resynced]:
    """(which log, what was done). Raises BadExport, CannotResync, StoreUnavailable, BusError."""
    await alone.require_stopped(settings)
    async with AsyncExitStack() as stack:
        files = [stack.enter_context(ExportFile(source)) for source in sources]
        service = _log_of(files)
        # The notifier numbers its messages outside the log: those of the lost time are given again.
        streams = await stack.enter_async_context(carriers(settings)) if service == "notifier" else None
        log = await stack.enter_async_context(alone.log(settings, service))
        copies = [Copy(f.header.vkeys, f.header.checkpoint, f.header.last, _events(f)) for f in files]
        done = await store.resync(
            log.store, log.provider, log.guard, copies,
            partial=partial, project=_PROJECT[service], progress=progress,
        )  # fmt: skip
        left = await store.left_sealed(log.store)
        for start in range(0, len(left), _ERASED_AT_ONCE):
            await log.store.erase_ciphertexts(left[start : start + _ERASED_AT_ONCE])
        if streams is not None:
            await streams.renew_enforce(log.store)
    return service, done


def _events(file: ExportFile) -> Iterator[tuple[int, bytes, bytes | None]]:
    return ((line.position, line.leaf, line.ciphertext) for line in file.lines())


def _log_of(files: Sequence[ExportFile]) -> str:
    names = {file.header.log for file in files}
    if len(names) != 1 or (name := names.pop()) not in ALL:
        raise BadExport("the exports are not of one log")
    return name


async def _notifier(tx: Transaction, _streams: Sequence[bytes]) -> None:
    await rebuild_within(tx)


async def _nothing(tx: Transaction, _streams: Sequence[bytes]) -> None:
    """Nothing is projected."""


_PROJECT = {"consent": refold, "notifier": _notifier, "rights": _nothing}
