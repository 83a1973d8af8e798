"""Commands for purposes: create, update, get, list, retire, load."""

from typing import Annotated, Any

import typer

from consentledger.cli import catalogue, inputs, output
from consentledger.cli.options import Options, command, group
from consentledger.cli.output import word
from consentledger.cli.purposefields import Fields
from consentledger.cli.session import Session, ask, run
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import purpose_service_pb2 as service
from consentledger.v1 import types_pb2 as types

app = group("What data is used for.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The purpose's id, such as marketing.email.")]


@command(app, "create")
def create(
    options: Options,
    id: Id,
    given: Fields,
    request_id: inputs.RequestId = None,
) -> None:
    """Add a purpose."""
    purpose = inputs.given(given, events.Purpose(id=id))
    request = service.CreatePurposeRequest(
        request_id=inputs.new_request_id(request_id), tenant=options.tenant, purpose=purpose
    )
    _show(options, ask(options, lambda session: session.purposes.CreatePurpose, request))


@command(app, "update")
def update(options: Options, id: Id, given: Fields) -> None:
    """Change what is given; the rest stays. A stricter basis revokes. Refused if it is changed meanwhile."""

    async def work(session: Session) -> Any:
        asked = service.GetPurposeRequest(tenant=options.tenant, purpose=id)
        found = await session.call(session.purposes.GetPurpose, asked)
        purpose = inputs.given(given, found.purpose)
        request = service.UpdatePurposeRequest(
            request_id=inputs.new_request_id(None), tenant=options.tenant, purpose=purpose
        )
        return await session.call(session.purposes.UpdatePurpose, request)

    _show(options, run(options, work))


@command(app, "get")
def get(options: Options, id: Id) -> None:
    """Show one purpose."""
    request = service.GetPurposeRequest(tenant=options.tenant, purpose=id)
    _show(options, ask(options, lambda session: session.purposes.GetPurpose, request))


@command(app, "list")
def list_all(options: Options) -> None:
    """Show all purposes, retired ones included."""
    answer = run(options, lambda session: _all(session, options.tenant))
    if options.as_json:
        output.document(answer)
    else:
        _table(answer.purposes)


@command(app, "retire")
def retire(options: Options, id: Id, request_id: inputs.RequestId = None) -> None:
    """End a purpose: every check is NOT_ALLOWED from here on."""
    request = service.RetirePurposeRequest(
        request_id=inputs.new_request_id(request_id), tenant=options.tenant, purpose=id
    )
    _show(options, ask(options, lambda session: session.purposes.RetirePurpose, request))


@command(app, "load")
def load(options: Options, file: catalogue.File) -> None:
    """Create or update the purposes of a catalogue file; one with `retired` is retired."""
    wanted = catalogue.entries(file, events.Purpose, "purposes")

    async def work(session: Session) -> list[list[str]]:
        standing = {purpose.id: purpose for purpose in (await _all(session, options.tenant)).purposes}
        return await catalogue.load(
            wanted, lambda purpose: purpose.id, lambda purpose: _put(session, purpose, standing.get(purpose.id))
        )

    catalogue.show(options, run(options, work))


async def _put(session: Session, wanted: events.Purpose, standing: events.Purpose | None) -> str:
    tenant, calls = session.options.tenant, session.purposes
    result = "unchanged"
    if standing is None:
        request = service.CreatePurposeRequest(request_id=inputs.new_request_id(None), tenant=tenant, purpose=wanted)
        await session.call(calls.CreatePurpose, request)
        result = "created"
    elif not catalogue.same(wanted, standing, "version", "retired"):
        changed = events.Purpose()
        changed.CopyFrom(wanted)
        changed.version = standing.version
        update = service.UpdatePurposeRequest(request_id=inputs.new_request_id(None), tenant=tenant, purpose=changed)
        await session.call(calls.UpdatePurpose, update)
        result = "updated"
    if standing is not None and standing.retired:
        return f"{result}, is retired"
    if wanted.retired:
        end = service.RetirePurposeRequest(request_id=inputs.new_request_id(None), tenant=tenant, purpose=wanted.id)
        await session.call(calls.RetirePurpose, end)
        return f"{result}, retired"
    return result


async def _all(session: Session, tenant: str) -> Any:
    return await session.pages(session.purposes.ListPurposes, service.ListPurposesRequest(tenant=tenant))


def _show(options: Options, answer: Any) -> None:
    if options.as_json:
        output.document(answer)
    else:
        _table([answer.purpose])


def _table(purposes: Any) -> None:
    output.table(
        ("id", "title", "bases", "notice", "version", ""),
        (
            (
                item.id,
                item.title,
                ", ".join(f"{b.regime} {word(types.LegalBasis, b.basis, 'LEGAL_BASIS_')}" for b in item.bases),
                item.notice_id,
                str(item.version),
                "retired" if item.retired else "",
            )
            for item in purposes
        ),
    )
