"""The command that imports acts of another system, with their original times: import.

- Each row stands alone and carries its own request_id, so a file may be imported again: what was written is repeated.
- One client stream for up to 20,000 rows, in requests of 500; then the next. A server closes connections that grow
  old, and a stream that was cut is sent again as a whole, from memory.
- Rows that cannot be read are not sent. They and those that the server refused are told by file, row, reason and
  field, never by their values.
"""

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from consentledger.cli import output
from consentledger.cli.failures import ExitCode, Misuse
from consentledger.cli.options import Options, command
from consentledger.cli.rows import FORMATS, Source, Tally, count_of, format_of, rows_of
from consentledger.cli.session import Session, run
from consentledger.v1 import consent_service_pb2 as service

ROWS_A_REQUEST = 500
ROWS_A_STREAM = 20_000
SHOWN = 20
"""How many rejections people are shown; JSON has all that are known."""

# Below the age at which a server asks its clients to reconnect.
_STREAM_SECONDS = 240.0


def _format(text: str) -> str:
    if text not in FORMATS:
        raise Misuse(f"one of {', '.join(FORMATS)}")
    return text


def _mapping(text: str) -> tuple[str, str]:
    iri, equals, purpose = text.rpartition("=")
    if not (iri and equals and purpose):
        raise Misuse("IRI=PURPOSE, such as https://w3id.org/dpv#DirectMarketing=marketing.email")
    return iri, purpose


Files = Annotated[list[Path], typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)]
Form = Annotated[
    str | None,
    typer.Option("--format", parser=_format, metavar="csv|27560", help="By the file's name if left out."),
]
Map = Annotated[
    list[Any] | None,
    typer.Option("--purpose", parser=_mapping, metavar="IRI=PURPOSE", help="27560: the id for a purpose's IRI."),
]
Collector = Annotated[str, typer.Option(metavar="TOKEN", help="27560: the system that the records come from.")]
Allow = Annotated[bool, typer.Option("--allow-rejected", help="End with 0 although rows were rejected.")]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "import")(import_files)


def import_files(
    options: Options,
    files: Files,
    form: Form = None,
    purposes: Map = None,
    collector: Collector = "",
    allow_rejected: Allow = False,
) -> None:
    """Import acts of another system. CSV, or consent records (ISO/IEC TS 27560) in JSON-LD."""
    sources = [Source(path, form or format_of(path), dict(purposes or []), collector) for path in files]
    tally = run(options, lambda session: _send(session, sources))
    if options.as_json:
        output.document(tally.as_dict())
    else:
        _show(tally)
    if tally.rejected and not allow_rejected:
        raise typer.Exit(ExitCode.REFUSED)


async def _send(session: Session, sources: list[Source]) -> Tally:
    tally = Tally()
    with _bar() as bar:
        task = bar.add_task("import", total=sum(count_of(source) for source in sources))
        rows = rows_of(sources, tally)
        while batch := list(islice(rows, ROWS_A_STREAM)):
            requests = _Requests(session.options.tenant, batch, bar, task)
            answer = await session.call(session.consent.ImportConsents, requests, timeout=_STREAM_SECONDS)
            tally.add(answer)
        bar.update(task, total=tally.sent, completed=tally.sent)
    return tally


class _Requests:
    """The requests of one stream; each iteration gives the same ones, so that a cut stream can be sent again."""

    def __init__(self, tenant: str, rows: list[service.ImportRow], bar: Progress, task: Any) -> None:
        self._tenant = tenant
        self._rows = rows
        self._bar = bar
        self._task = task
        self._before = bar.tasks[0].completed

    async def __aiter__(self) -> AsyncIterator[service.ImportConsentsRequest]:
        for start in range(0, len(self._rows), ROWS_A_REQUEST):
            rows = self._rows[start : start + ROWS_A_REQUEST]
            yield service.ImportConsentsRequest(tenant=self._tenant, rows=rows)
            self._bar.update(self._task, completed=self._before + start + len(rows))


def _show(tally: Tally) -> None:
    output.pairs(
        [
            ("written", str(tally.written)),
            ("repeated", str(tally.repeated)),
            ("rejected", str(tally.rejected)),
            ("token", tally.consistency_token),
        ]
    )
    if not tally.rejections:
        return
    first = list(islice(_lines(tally), SHOWN))
    output.table(("file", "row (from 0)", "reason", "field", "rule"), first)
    if tally.rejected > len(first):
        output.line(f"and {tally.rejected - len(first)} more")


def _lines(tally: Tally) -> Iterator[tuple[str, str, str, str, str]]:
    for found in tally.rejections:
        yield found.file, str(found.row), found.reason, found.field, found.rule


def _bar() -> Progress:
    target = output.console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=target, disable=not target.is_terminal, transient=True)
