"""Commands for downstreams: register, update, rotate-secret, get, list, load."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from consentledger.cli import catalogue, inputs, output
from consentledger.cli.options import Options, command, group
from consentledger.cli.output import word
from consentledger.cli.session import Session, ask, run
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import notifier_service_pb2 as service

app = group("The systems that must enforce revocations.")

Id = Annotated[str, typer.Argument(metavar="ID", help="[a-z0-9-]{1,63}.")]
Webhook = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Tell it by HTTPS; without one it listens on NATS. An empty one takes it back."),
]
_KIND = inputs.choice(events.DownstreamKind, "DOWNSTREAM_KIND_")


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a downstream by their names in the contract; None for one that was not given."""

    display_name: Annotated[str | None, typer.Option(metavar="TEXT", help="For people.")] = None
    kind: Annotated[
        int | None, typer.Option(parser=_KIND, metavar="internal|processor|third-party", help="To the controller.")
    ] = None
    purposes: Annotated[
        list[str] | None,
        typer.Option("--purpose", metavar="PURPOSE", help="It receives data for this; repeat it, or * for all."),
    ] = None
    identifier_namespace: Annotated[
        str | None, typer.Option("--namespace", metavar="NAMESPACE", help="The namespace it knows people under.")
    ] = None
    paused: Annotated[bool | None, typer.Option("--paused/--resumed", help="Nothing is sent while paused.")] = None
    enforce_within_seconds: Annotated[
        int | None, typer.Option("--enforce-within", min=0, metavar="SECONDS", help="0 means a day.")
    ] = None


@command(app, "register")
def register(
    options: Options, id: Id, given: Fields, webhook: Webhook = None, request_id: inputs.RequestId = None
) -> None:
    """Add a downstream. Revocations recorded from here on reach it. The secret of a webhook is told here only."""
    request = service.RegisterDownstreamRequest(
        request_id=inputs.new_request_id(request_id),
        tenant=options.tenant,
        downstream=_with_webhook(inputs.given(given, events.Downstream(id=id)), webhook),
    )
    _show(options, ask(options, lambda session: session.notifier.RegisterDownstream, request))


@command(app, "update")
def update(options: Options, id: Id, given: Fields, webhook: Webhook = None) -> None:
    """Change what is given; the rest stays. Refused if it is changed meanwhile."""

    async def work(session: Session) -> Any:
        asked = service.GetDownstreamRequest(tenant=options.tenant, downstream=id)
        found = await session.call(session.notifier.GetDownstream, asked)
        request = service.UpdateDownstreamRequest(
            request_id=inputs.new_request_id(None),
            tenant=options.tenant,
            downstream=_with_webhook(inputs.given(given, found.downstream), webhook),
        )
        return await session.call(session.notifier.UpdateDownstream, request)

    _show(options, run(options, work))


@command(app, "rotate-secret")
def rotate_secret(
    options: Options,
    id: Id,
    overlap: Annotated[
        int | None, typer.Option(min=0, metavar="SECONDS", help="How long the old one signs too; a day unless told.")
    ] = None,
    request_id: inputs.RequestId = None,
) -> None:
    """Give a webhook a new secret, which is told here only."""
    request = service.RotateSecretRequest(
        request_id=inputs.new_request_id(request_id), tenant=options.tenant, downstream=id, overlap_seconds=overlap
    )
    _show(options, ask(options, lambda session: session.notifier.RotateSecret, request))


@command(app, "get")
def get(options: Options, id: Id) -> None:
    """Show one downstream."""
    request = service.GetDownstreamRequest(tenant=options.tenant, downstream=id)
    _show(options, ask(options, lambda session: session.notifier.GetDownstream, request))


@command(app, "list")
def list_all(options: Options) -> None:
    """Show all downstreams of the tenant."""
    answer = run(options, lambda session: _all(session, options.tenant))
    if options.as_json:
        output.document(answer)
    else:
        _table(answer.downstreams)


@command(app, "load")
def load(options: Options, file: catalogue.File) -> None:
    """Register or update the downstreams of a catalogue file."""
    wanted = catalogue.entries(file, events.Downstream, "downstreams")

    async def work(session: Session) -> list[list[str]]:
        standing = {downstream.id: downstream for downstream in (await _all(session, options.tenant)).downstreams}
        return await catalogue.load(
            wanted, lambda entry: entry.id, lambda entry: _put(session, entry, standing.get(entry.id))
        )

    catalogue.show(options, run(options, work))


async def _put(session: Session, wanted: events.Downstream, standing: events.Downstream | None) -> str:
    tenant, new_id = session.options.tenant, inputs.new_request_id(None)
    if standing is None:
        request = service.RegisterDownstreamRequest(request_id=new_id, tenant=tenant, downstream=wanted)
        await session.call(session.notifier.RegisterDownstream, request)
        return "registered"
    changed = events.Downstream()
    changed.CopyFrom(wanted)
    changed.version = standing.version
    if wanted.HasField("webhook"):  # all but the URL is the service's to say
        changed.webhook.CopyFrom(standing.webhook)
        changed.webhook.url = wanted.webhook.url
    if catalogue.same(changed, standing):
        return "unchanged"
    update = service.UpdateDownstreamRequest(request_id=new_id, tenant=tenant, downstream=changed)
    await session.call(session.notifier.UpdateDownstream, update)
    return "updated"


async def _all(session: Session, tenant: str) -> Any:
    return await session.pages(session.notifier.ListDownstreams, service.ListDownstreamsRequest(tenant=tenant))


def _with_webhook(downstream: events.Downstream, url: str | None) -> events.Downstream:
    if url:
        downstream.webhook.url = url
    elif url is not None:
        downstream.ClearField("webhook")
    return downstream


def _show(options: Options, answer: Any) -> None:
    if options.as_json:
        output.document(answer)
        return
    _table([answer.downstream])
    if "webhook_secret" in answer.DESCRIPTOR.fields_by_name and answer.HasField("webhook_secret"):
        print(f"secret      {answer.webhook_secret.secret}")
        print(f"public key  {answer.webhook_secret.public_key}")


def _table(downstreams: Any) -> None:
    output.table(
        ("id", "name", "kind", "purposes", "namespace", "webhook", "within", "version", ""),
        (
            (
                item.id,
                item.display_name,
                word(events.DownstreamKind, item.kind, "DOWNSTREAM_KIND_"),
                ", ".join(item.purposes),
                item.identifier_namespace,
                item.webhook.url,
                f"{item.enforce_within_seconds or 86400} s",
                str(item.version),
                "disabled" if item.webhook.disabled else "paused" if item.paused else "",
            )
            for item in downstreams
        ),
    )
