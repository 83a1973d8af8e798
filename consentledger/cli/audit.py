"""Commands for auditors: replay; `exporting` adds export.

Forms of what is written:

- leaves: for each event two bytes, big-endian, its length, then the bytes of its `LedgerEntry`, verbatim as hashed
  (the framing of an entry bundle, C2SP tlog-tiles). Positions are not in it.
- JSON lines: position, entry, and the leaf in base64.

A file has its name only when it is whole; nobody else may read it.
"""

import base64
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from consentledger.cli import exporting, files, output
from consentledger.cli.failures import Misuse
from consentledger.cli.options import Options, command, group
from consentledger.cli.progress import bar
from consentledger.cli.session import Session, run
from consentledger.cli.streams import resumed
from consentledger.v1 import audit_service_pb2 as service
from consentledger.v1 import consent_service_pb2 as consent
from consentledger.v1 import events_pb2 as events

app = group("The history, for those who must be able to check it.")

From = Annotated[int, typer.Option("--from-position", min=0, metavar="N", help="The first one; 0 means 1.")]
To = Annotated[int, typer.Option("--to-position", min=0, metavar="N", help="The last one; 0 means the newest.")]
Types = Annotated[list[str] | None, typer.Option("--type", metavar="TYPE", help="Events of this type; repeat it.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", dir_okay=False, help="Write leaves; JSON lines with --json.")
]


@command(app, "replay")
def replay(options: Options, start: From = 0, end: To = 0, types: Types = None, out: Out = None) -> None:
    """Read the tenant's log in order and count it. --json prints its events, --out writes them to a file."""
    if end and end < start:
        raise Misuse("before --from-position", param_hint="--to-position")
    request = service.ReplayEventsRequest(
        tenant=options.tenant, from_position=start, to_position=end, types=types or []
    )
    with _target(options, out) as target:
        replayed = run(options, lambda session: _read(session, request, target))
    if out is None and options.as_json:
        return
    summary = {"events": replayed[0], "first_position": replayed[1], "last_position": replayed[2]}
    if options.as_json:
        output.document(summary)
    else:
        output.pairs((name.replace("_", " "), str(value)) for name, value in summary.items())


async def _read(
    session: Session, request: service.ReplayEventsRequest, target: IO[bytes] | None
) -> tuple[int, int, int]:
    """How many events there were, and the first and the last position; 0 without any."""
    count = first = last = 0
    chunks = resumed(session, session.audit.ReplayEvents, request, lambda chunk: max(chunk.positions, default=0))
    async with aclosing(chunks):
        with bar() as shown:
            task = shown.add_task("replay", total=None)
            async for chunk in chunks:
                # Fixed at the first chunk, so that a replay that was cut ends where it would have ended.
                request.to_position = request.to_position or chunk.head_position
                if target is not None:
                    target.writelines(_form(session.options.as_json, chunk))
                count += len(chunk.leaves)
                first = first or (chunk.positions[0] if chunk.positions else 0)
                last = chunk.positions[-1] if chunk.positions else last
                shown.update(task, total=request.to_position, completed=last)
                if last >= request.to_position:
                    break
    return count, first, last


def _form(as_json: bool, chunk: service.ReplayEventsResponse) -> Iterator[bytes]:
    for position, leaf in zip(chunk.positions, chunk.leaves, strict=True):
        if not as_json:
            yield len(leaf).to_bytes(2, "big") + leaf
            continue
        entry = events.LedgerEntry.FromString(leaf)
        event: dict[str, Any] = output.as_dict(consent.WatchConsentResponse(position=position, entry=entry))
        yield (output.json_line(event | {"leaf": base64.b64encode(leaf).decode()}) + "\n").encode()


@contextmanager
def _target(options: Options, out: Path | None) -> Iterator[IO[bytes] | None]:
    if out is None:
        yield sys.stdout.buffer if options.as_json else None
        return
    with files.writing(out) as file:
        yield file


exporting.add_to(app)
