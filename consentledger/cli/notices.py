"""Commands for notices: publish, get, list, load. A published notice never changes."""

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer

from consentledger.cli import catalogue, inputs, output
from consentledger.cli.failures import BadFile
from consentledger.cli.options import Options, command, group
from consentledger.cli.session import Session, ask, run
from consentledger.errors import LedgerError, Reason
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import purpose_service_pb2 as service

app = group("What people are told.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Groups the versions.")]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="Unique in the tenant; grants name it.")]
Text = Annotated[
    Path, typer.Option("--text", metavar="FILE", exists=True, dir_okay=False, help="The exact text, in UTF-8.")
]
Material = Annotated[bool, typer.Option("--material", help="Grants under earlier versions of this id become stale.")]
Purposes = Annotated[
    list[str] | None, typer.Option("--purpose", metavar="PURPOSE", help="It speaks of this; repeat it for several.")
]


@command(app, "publish")
def publish(
    options: Options,
    id: Id,
    version: Version,
    text: Text,
    language: inputs.Language = "",
    material: Material = False,
    purposes: Purposes = None,
    request_id: inputs.RequestId = None,
) -> None:
    """Publish one version."""
    try:
        # Bytes as they are: a changed line end would be another text.
        words = text.read_bytes().decode()
    except UnicodeDecodeError:
        raise BadFile("not UTF-8") from None
    notice = events.Notice(
        id=id, version=version, language=language, text=words, material=material, purposes=purposes or []
    )
    request = service.PublishNoticeRequest(
        request_id=inputs.new_request_id(request_id), tenant=options.tenant, notice=notice
    )
    answer = ask(options, lambda session: session.purposes.PublishNotice, request)
    _show(options, answer)


@command(app, "get")
def get(options: Options, version: Version) -> None:
    """Show one version with its text."""
    request = service.GetNoticeRequest(tenant=options.tenant, version=version)
    answer = ask(options, lambda session: session.purposes.GetNotice, request)
    _show(options, answer)
    if not options.as_json:
        for text in answer.notice.text.splitlines():
            output.line(text)


@command(app, "list")
def list_all(options: Options) -> None:
    """Show all versions, without their text."""
    answer = run(options, lambda session: _all(session, options.tenant))
    if options.as_json:
        output.document(answer)
    else:
        _table(answer.notices)


@command(app, "load")
def load(options: Options, file: catalogue.File) -> None:
    """Publish the notices of a catalogue file, in its order, that are not published yet."""
    wanted = catalogue.entries(file, events.Notice, "notices", key="version")

    async def work(session: Session) -> list[list[str]]:
        standing = {notice.version: notice for notice in (await _all(session, options.tenant)).notices}
        return await catalogue.load(
            wanted, lambda notice: notice.version, lambda notice: _put(session, notice, standing.get(notice.version))
        )

    catalogue.show(options, run(options, work))


async def _put(session: Session, wanted: events.Notice, standing: events.Notice | None) -> str:
    if standing is None:
        request = service.PublishNoticeRequest(
            request_id=inputs.new_request_id(None), tenant=session.options.tenant, notice=wanted
        )
        await session.call(session.purposes.PublishNotice, request)
        return "published"
    told = events.Notice()
    told.CopyFrom(wanted)
    if wanted.text:
        told.text_sha256 = hashlib.sha256(wanted.text.encode()).digest()
    if not catalogue.same(told, standing, "text", "published_at"):
        raise LedgerError(Reason.NOTICE_EXISTS)
    return "unchanged"


async def _all(session: Session, tenant: str) -> Any:
    return await session.pages(session.purposes.ListNotices, service.ListNoticesRequest(tenant=tenant))


def _show(options: Options, answer: Any) -> None:
    if options.as_json:
        output.document(answer)
    else:
        _table([answer.notice])


def _table(notices: Any) -> None:
    output.table(
        ("id", "version", "language", "published", "sha-256", "purposes", ""),
        (
            (
                item.id,
                item.version,
                item.language,
                output.moment(item, "published_at"),
                item.text_sha256.hex()[:16],
                ", ".join(item.purposes),
                "material" if item.material else "",
            )
            for item in notices
        ),
    )
