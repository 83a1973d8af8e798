"""Commands for what others hold against the log: its checkpoint, and its tiles as a folder of static files.

The tiles are made here, from an export of the leaves, and so are checked against the checkpoint on the way. No port for
HTTP is needed for it.
"""

from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from consentledger.cli import audit, files, output
from consentledger.cli.failures import Unanswered
from consentledger.cli.options import Options, command
from consentledger.cli.session import Session, ask, run
from consentledger.cli.streams import resumed
from consentledger.cli.tilefolder import TileFolder
from consentledger.v1 import audit_service_pb2 as service

app = audit.app
"""The group `audit`, with these commands in it."""

Log = Annotated[str, typer.Option("--log", metavar="NAME", help="consent, notifier or rights; consent if not said.")]
Note = Annotated[Path | None, typer.Option("--out", metavar="FILE", dir_okay=False, help="Write the note there too.")]
Folder = Annotated[Path, typer.Option("--out", metavar="FOLDER", file_okay=False, help="Where to; made if need be.")]
Entries = Annotated[bool, typer.Option("--entries", help="The leaves too, of all tenants: not to be published.")]


@command(app, "checkpoint")
def checkpoint(options: Options, log: Log = "", out: Note = None) -> None:
    """Show the newest signed tree head, and how far witnesses have cosigned. Keep the note: it pins the log."""
    answer = ask(options, lambda session: session.audit.GetCheckpoint, service.GetCheckpointRequest(log=log))
    if out is not None:
        files.write(out, answer.checkpoint)
    if options.as_json:
        output.document(answer)
        return
    output.pairs(
        [
            ("size", str(answer.size)),
            ("root", answer.root.hex()),
            ("witnessed size", str(answer.witnessed_size)),
            *(("vkey", vkey) for vkey in answer.vkeys),
        ]
    )
    output.line("")
    for line in answer.checkpoint.decode("utf-8", "replace").splitlines():
        output.line(line)


@command(app, "tiles")
def tiles(options: Options, out: Folder, log: Log = "", entries: Entries = False) -> None:
    """Write a log's checkpoint and tiles (C2SP tlog-tiles) to a folder, checked. Again, it adds what is new."""
    folder = TileFolder(out, entries=entries)
    size = run(options, lambda session: _fill(session, service.ExportLogRequest(log=log), folder))
    if options.as_json:
        output.document({"size": size, "written": folder.written})
    else:
        output.pairs([("size", str(size)), ("files written", str(folder.written))])


async def _fill(session: Session, request: service.ExportLogRequest, folder: TileFolder) -> int:
    """Write all of it; the size."""
    header: service.ExportHeader | None = None
    count = 0

    def last(response: service.ExportLogResponse) -> int:
        return count + len(response.entries)

    responses = resumed(session, session.audit.ExportLog, request, last)
    async with aclosing(responses):
        async for response in responses:
            if response.HasField("header"):
                # What the first one says stays: after a cut, only what is missing of it is asked for.
                header = header or response.header
                request.to_position = header.last
            folder.add(entry.leaf for entry in response.entries)
            count += len(response.entries)
            if header is not None and count >= header.last:
                break
    if header is None:
        raise Unanswered
    return folder.finish(header.checkpoint + header.cosignatures, header.vkeys)
