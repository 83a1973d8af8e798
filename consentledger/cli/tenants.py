"""Commands for tenants: create, update, get, list. `--tenant` says nothing here; the id is an argument."""

from typing import Annotated, Any

import typer

from consentledger.cli import inputs, output
from consentledger.cli.options import Options, command, group
from consentledger.cli.session import Session, ask, run
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import tenant_service_pb2 as service

app = group("The controllers on whose behalf consent is held.")

Id = Annotated[str, typer.Argument(metavar="ID", help="[a-z0-9-]{1,63}.")]
Name = Annotated[str | None, typer.Option("--display-name", metavar="TEXT", help="For people.")]
Default = Annotated[
    str | None, typer.Option("--default-jurisdiction", metavar="PLACE", help="Applies when nothing else says where.")
]


@command(app, "create")
def create(
    options: Options, id: Id, name: Name = None, jurisdiction: Default = None, request_id: inputs.RequestId = None
) -> None:
    """Add a tenant."""
    tenant = events.Tenant(id=id, display_name=name or "", default_jurisdiction=jurisdiction or "")
    request = service.CreateTenantRequest(request_id=inputs.new_request_id(request_id), tenant=tenant)
    _show(options, ask(options, lambda session: session.tenants.CreateTenant, request))


@command(app, "update")
def update(options: Options, id: Id, name: Name = None, jurisdiction: Default = None) -> None:
    """Change what is given; the rest stays. Refused if somebody else changes it at the same time."""

    async def work(session: Session) -> Any:
        found = await session.call(session.tenants.GetTenant, service.GetTenantRequest(tenant=id))
        tenant = found.tenant
        if name is not None:
            tenant.display_name = name
        if jurisdiction is not None:
            tenant.default_jurisdiction = jurisdiction
        request = service.UpdateTenantRequest(request_id=inputs.new_request_id(None), tenant=tenant)
        return await session.call(session.tenants.UpdateTenant, request)

    _show(options, run(options, work))


@command(app, "get")
def get(options: Options, id: Id) -> None:
    """Show one tenant."""
    _show(options, ask(options, lambda session: session.tenants.GetTenant, service.GetTenantRequest(tenant=id)))


@command(app, "list")
def list_all(options: Options) -> None:
    """Show all tenants, by id."""
    request = service.ListTenantsRequest()
    answer = run(options, lambda session: session.pages(session.tenants.ListTenants, request))
    if options.as_json:
        output.document(answer)
    else:
        _table(answer.tenants)


def _show(options: Options, answer: Any) -> None:
    if options.as_json:
        output.document(answer)
    else:
        _table([answer.tenant])


def _table(tenants: Any) -> None:
    output.table(
        ("id", "name", "default jurisdiction", "version"),
        ((item.id, item.display_name, item.default_jurisdiction, str(item.version)) for item in tenants),
    )
