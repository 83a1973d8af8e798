"""Commands that end a person: erase, erasure; and the legal holds that forbid it: hold set, hold lift."""

from typing import Annotated

import typer

from consentledger.cli import inputs, output
from consentledger.cli.options import Options, command, group
from consentledger.cli.output import moment, word
from consentledger.cli.session import ask
from consentledger.v1 import consent_service_pb2 as service
from consentledger.v1 import events_pb2 as events

app = group("Legal holds: while one stands, a person is not erased.")

Hold = Annotated[str, typer.Argument(metavar="HOLD", help="Its name: a case number, nothing personal.")]
Id = Annotated[str, typer.Argument(metavar="ERASURE", help="The erasure's id, as `erase` told it.")]
Within = Annotated[
    int,
    typer.Option(
        "--recipients-within", min=0, metavar="SECONDS", help="How long recipients are waited for; 30 days if left out."
    ),
]


def add_to(other: typer.Typer) -> None:
    """Add the commands that stand alone."""
    command(other, "erase")(erase)
    command(other, "erasure")(erasure)


def erase(
    options: Options,
    subject: inputs.Subject,
    collected: inputs.Collected,
    within: Within = 0,
    request_id: inputs.RequestId = None,
) -> None:
    """Erase a person and everyone linked with them. Checks deny at once; keep the id, it is the one handle on it."""
    request = service.EraseSubjectRequest(
        request_id=inputs.new_request_id(request_id),
        tenant=options.tenant,
        subject=subject,
        context=collected.context(),
        recipients_within_seconds=within,
    )
    answer: service.EraseSubjectResponse = ask(options, lambda session: session.consent.EraseSubject, request)
    if options.as_json:
        output.document(answer)
    else:
        _show(answer.erasure)
        output.pairs([("token", answer.consistency_token)])


def erasure(options: Options, id: Id) -> None:
    """Show how far an erasure is, and its attestation when it is done."""
    request = service.GetErasureRequest(tenant=options.tenant, erasure_id=id)
    answer: service.GetErasureResponse = ask(options, lambda session: session.consent.GetErasure, request)
    if options.as_json:
        output.document(answer)
    else:
        _show(answer.erasure)


@command(app, "set")
def hold_set(
    options: Options,
    subject: inputs.Subject,
    hold: Hold,
    collected: inputs.Collected,
    why: inputs.Why = "",
    request_id: inputs.RequestId = None,
) -> None:
    """Place a hold, also on a person never seen."""
    request = service.SetHoldRequest(
        request_id=inputs.new_request_id(request_id),
        tenant=options.tenant,
        subject=subject,
        hold=hold,
        context=collected.context(),
        reason=why,
    )
    _held(options, ask(options, lambda session: session.consent.SetHold, request))


@command(app, "lift")
def hold_lift(
    options: Options,
    subject: inputs.Subject,
    hold: Hold,
    collected: inputs.Collected,
    why: inputs.Why = "",
    request_id: inputs.RequestId = None,
) -> None:
    """Lift a hold. One that does not stand changes nothing."""
    request = service.LiftHoldRequest(
        request_id=inputs.new_request_id(request_id),
        tenant=options.tenant,
        subject=subject,
        hold=hold,
        context=collected.context(),
        reason=why,
    )
    _held(options, ask(options, lambda session: session.consent.LiftHold, request))


def _held(options: Options, answer: service.SetHoldResponse | service.LiftHoldResponse) -> None:
    if options.as_json:
        output.document(answer)
    else:
        output.pairs([("token", answer.consistency_token)])


def _show(erasure: service.Erasure) -> None:
    output.pairs(
        [
            ("erasure", erasure.erasure_id),
            ("state", word(service.ErasureState, erasure.state, "ERASURE_STATE_")),
            ("started", moment(erasure, "started_at")),
            ("recipients until", moment(erasure, "recipients_until")),
            ("refusals", "kept, so that nobody is allowed by being forgotten" if erasure.suppressed else ""),
        ]
    )
    if erasure.recipients:
        output.table(
            ("downstream", "state", "why"),
            (
                (r.downstream, word(events.ObligationState, r.state, "OBLIGATION_STATE_"), r.reason)
                for r in erasure.recipients
            ),
        )
    if erasure.attestations:
        output.table(
            ("position", "key", "epoch", "destroyed", "cleaned", "backups until"),
            (
                (
                    str(a.position),
                    a.key_destroyed.key_id.hex(),
                    str(a.key_destroyed.key_epoch),
                    moment(a.key_destroyed, "destroyed_at"),
                    ", ".join(a.key_destroyed.cleaned),
                    moment(a.key_destroyed, "backups_until"),
                )
                for a in erasure.attestations
            ),
        )
