"""`consentledger audit export`: a log in a file that can be verified offline, by whoever gets it.

- The file has its name only when it is whole; nobody else may read it.
- An export that is cut goes on where it was, and ends where it would have ended: the first header stands.
- Memory does not grow with the log.
"""

from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated

import typer

from consentledger.cli import files, output
from consentledger.cli.erasures import Erasures
from consentledger.cli.exportform import ExportWriter
from consentledger.cli.failures import BadFile, Misuse
from consentledger.cli.options import Options, command
from consentledger.cli.progress import bar
from consentledger.cli.session import Session, run
from consentledger.cli.streams import resumed
from consentledger.errors import LedgerError, Reason
from consentledger.v1 import audit_service_pb2 as service

TRIES = 3
"""How often an export is made before erasures that went on meanwhile are left unexplained."""

Out = Annotated[Path, typer.Option("--out", metavar="FILE", dir_okay=False, help="Where to write it.")]
Log = Annotated[str, typer.Option("--log", metavar="NAME", help="Which log: consent, notifier, rights.")]
Tenants = Annotated[
    list[str] | None,
    typer.Option("--tenant", metavar="ID", help="Whole events of this controller, hashes of others; repeat it."),
]
From = Annotated[int, typer.Option("--from-position", min=0, metavar="N", help="The first one; 0 means 1.")]
To = Annotated[int, typer.Option("--to-position", min=0, metavar="N", help="The last one; 0 means the newest.")]
Witnessed = Annotated[bool, typer.Option("--witnessed", help="Only as far as witnesses have cosigned.")]
Sealed = Annotated[bool, typer.Option("--ciphertexts", help="Sealed payloads too, where they still exist.")]


def add_to(app: typer.Typer) -> None:
    """Add the command to the group `audit`."""
    command(app, "export")(export)


def export(
    options: Options,
    out: Out,
    log: Log = "",
    tenant: Tenants = None,
    start: From = 0,
    end: To = 0,
    witnessed: Witnessed = False,
    sealed: Sealed = False,
) -> None:
    """Export a log for offline verification by consentledger-verify. All tenants, unless --tenant names some."""
    if end and end < start:
        raise Misuse("before --from-position", param_hint="--to-position")
    if end and witnessed:
        raise Misuse("either this or --to-position", param_hint="--witnessed")
    tenants = tenant or ([options.named_tenant] if options.named_tenant else [])
    request = service.ExportLogRequest(
        log=log, tenants=tenants, from_position=start, to_position=end, ciphertexts=sealed
    )
    with files.writing(out) as file:
        made = run(options, lambda session: _made(session, request, file, witnessed=witnessed))
    summary = {
        "file": str(out),
        "log": made.header.log,
        "first_position": made.header.first,
        "last_position": made.header.last,
        "tenants": list(made.header.tenants),
        "redacted": made.redacted,
        "ciphertexts": sealed,
        "vkeys": list(made.header.vkeys),
    }
    if options.as_json:
        output.document(summary)
    else:
        output.pairs((name.replace("_", " "), _shown(value)) for name, value in summary.items())


@dataclass(slots=True)
class _Made:
    """One attempt."""

    header: service.ExportHeader
    redacted: int = 0
    erasures: Erasures = field(default_factory=Erasures)


async def _made(session: Session, wanted: service.ExportLogRequest, file: IO[bytes], *, witnessed: bool) -> _Made:
    if witnessed:
        newest = await session.call(session.audit.GetCheckpoint, service.GetCheckpointRequest(log=wanted.log))
        if not newest.witnessed_size:
            raise BadFile("not written: no witness has cosigned a checkpoint yet")
        wanted.to_position = newest.witnessed_size
    for left in reversed(range(TRIES)):
        request = service.ExportLogRequest()
        request.CopyFrom(wanted)
        file.seek(0)
        file.truncate()
        made = await _written(session, request, file)
        # What lies beyond the end could explain it, if there is anything: then it is for the verifier to say so.
        if not made.erasures.unexplained or made.header.consistency or not left:
            break
        session.tell("persons were erased meanwhile, exporting again")
    return made


async def _written(session: Session, request: service.ExportLogRequest, file: IO[bytes]) -> _Made:
    writer: ExportWriter | None = None
    made = _Made(service.ExportHeader())

    def last(chunk: service.ExportLogResponse) -> int:
        return (writer.position if writer else 0) + len(chunk.entries)

    async with aclosing(resumed(session, session.audit.ExportLog, request, last)) as chunks:
        with bar() as shown:
            task = shown.add_task("export", total=None)
            async for chunk in chunks:
                if writer is None:
                    header = made.header = chunk.header
                    # Fixed now, so that an export that is cut ends where it would have ended.
                    request.to_position = header.last
                    writer = ExportWriter(file, header, ciphertexts=request.ciphertexts)
                elif chunk.HasField("header"):
                    _same_log(made.header, chunk.header, writer.position + 1)
                else:
                    writer.entries(chunk.entries)
                    _look(made, chunk, ciphertexts=request.ciphertexts)
                total, done = header.last - header.first + 1, writer.position - header.first + 1
                shown.update(task, total=total, completed=done)
                if done == total:
                    break
    if writer is None or not writer.finish():
        raise LedgerError(Reason.INTERNAL)
    return made


def _look(made: _Made, chunk: service.ExportLogResponse, *, ciphertexts: bool) -> None:
    if made.header.tenants:
        made.redacted += sum(not entry.leaf for entry in chunk.entries)
    if ciphertexts:
        for entry in chunk.entries:
            made.erasures.see(entry)


def _same_log(begun: service.ExportHeader, now: service.ExportHeader, first: int) -> None:
    """BadFile unless the stream that goes on is of the log that it began with."""
    if (begun.log, begun.vkeys, begun.last, first) != (now.log, now.vkeys, now.last, now.first):
        raise BadFile("the log was continued under a new name meanwhile; start again")


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
