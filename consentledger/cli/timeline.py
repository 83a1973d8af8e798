"""Commands that show what happened: history of one person, accesses to it, watch for what comes."""

import asyncio
from contextlib import aclosing
from typing import Annotated

import typer

from consentledger.cli import describe, inputs, output
from consentledger.cli.options import Options, command
from consentledger.cli.session import Session, run
from consentledger.cli.streams import resumed
from consentledger.v1 import audit_service_pb2 as audit
from consentledger.v1 import consent_service_pb2 as service
from consentledger.v1 import types_pb2 as types

FromPosition = Annotated[int, typer.Option(min=0, metavar="N", help="The first position wanted; 0 means from now.")]
OnlySubject = Annotated[
    types.SubjectRef | None,
    typer.Option("--subject", parser=inputs.subject, metavar="SUBJECT", help="One person only, and those linked."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "history")(history)
    command(app, "accesses")(accesses)
    command(app, "watch")(watch)


def history(options: Options, subject: inputs.Subject, reading: inputs.Reading) -> None:
    """Show a person's history, oldest first: what, when, under which notice, at which position. It is recorded."""
    request = audit.GetSubjectHistoryRequest(tenant=options.tenant, subject=subject, access=reading.reason())
    answer = run(options, lambda session: session.pages(session.audit.GetSubjectHistory, request))
    if options.as_json:
        output.document(answer)
        return
    output.table(
        ("when", "what", "notice", "how", "recorded", "position"),
        (
            (
                describe.when(event.entry),
                describe.line_of(event),
                describe.notice(event.entry),
                describe.how(event.entry),
                describe.recorded_later(event.entry),
                str(event.position),
            )
            for event in answer.events
        ),
    )


def accesses(options: Options, subject: inputs.Subject) -> None:
    """Show who read a person's data, newest first: when, why, and what of it."""
    request = audit.ListAccessesRequest(tenant=options.tenant, subject=subject)
    answer = run(options, lambda session: session.pages(session.audit.ListAccesses, request))
    if options.as_json:
        output.document(answer)
        return
    output.table(
        ("when", "by", "for", "call", "what", "position"),
        (
            (
                output.moment(access, "recorded_at"),
                " ".join(part for part in (access.actor, access.role) if part),
                access.purpose,
                access.method,
                ", ".join(access.fields) + (" (of a linked identifier)" if access.linked else ""),
                str(access.position),
            )
            for access in answer.accesses
        ),
    )


def watch(options: Options, from_position: FromPosition = 0, subject: OnlySubject = None) -> None:
    """Follow the tenant's events until Ctrl-C."""
    request = service.WatchConsentRequest(tenant=options.tenant, from_position=from_position, subject=subject)

    async def follow(session: Session) -> None:
        responses = resumed(session, session.consent.WatchConsent, request, lambda response: int(response.position))
        async with aclosing(responses):
            async for response in responses:
                if response.HasField("entry"):
                    _show(options, response)

    try:
        run(options, follow)
    except (KeyboardInterrupt, asyncio.CancelledError):
        # The way to end it, not a failure.
        return


def _show(options: Options, response: service.WatchConsentResponse) -> None:
    if options.as_json:
        output.line(output.json_line(response))
        return
    entry = response.entry
    under = f", under {describe.notice(entry)}" if describe.notice(entry) else ""
    output.line(f"{response.position:>8}  {describe.when(entry):<27}  {describe.what(entry)}{under}")
