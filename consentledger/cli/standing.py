"""Commands for what stands over all purposes: signal, restrict, lift-restriction, link, unlink."""

from typing import Annotated, Any

import typer

from consentledger.cli import inputs, output
from consentledger.cli.acts import show, states
from consentledger.cli.failures import Misuse
from consentledger.cli.options import Options, command
from consentledger.cli.session import ask
from consentledger.v1 import consent_service_pb2 as service
from consentledger.v1 import types_pb2 as types

SecGpc = Annotated[
    list[str] | None, typer.Option(metavar="VALUE", help="The Sec-GPC header as received; repeat it for several.")
]
Ended = Annotated[bool, typer.Option("--ended", help="The person confirmed that the signal no longer holds.")]
Left = Annotated[types.SubjectRef, typer.Argument(parser=inputs.subject, metavar="LEFT", help="namespace:id, or -.")]
Right = Annotated[types.SubjectRef, typer.Argument(parser=inputs.subject, metavar="RIGHT", help="namespace:id, or -.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "signal")(signal)
    command(app, "restrict")(restrict)
    command(app, "lift-restriction")(lift_restriction)
    command(app, "link")(link)
    command(app, "unlink")(unlink)


def signal(
    options: Options,
    subject: inputs.Subject,
    collected: inputs.Collected,
    sec_gpc: SecGpc = None,
    ended: Ended = False,
    request_id: inputs.RequestId = None,
) -> None:
    """Record an opt-out signal, or its end. The signal is Global Privacy Control."""
    if bool(sec_gpc) == ended:
        raise Misuse("exactly one of them is needed", param_hint="--sec-gpc / --ended")
    request = service.RecordSignalRequest(
        request_id=inputs.new_request_id(request_id),
        tenant=options.tenant,
        subject=subject,
        kind=types.SIGNAL_KIND_GPC,
        sec_gpc=sec_gpc or [],
        ended=ended,
        context=collected.context(),
    )
    answer = ask(options, lambda session: session.consent.RecordSignal, request)
    if not options.as_json:
        output.pairs([("signal", "on" if answer.signal_on else "off")])
    show(options, answer)


def restrict(
    options: Options,
    subject: inputs.Subject,
    collected: inputs.Collected,
    why: inputs.Why = "",
    request_id: inputs.RequestId = None,
) -> None:
    """Restrict processing of a person's data."""
    request = service.SetRestrictionRequest(
        request_id=inputs.new_request_id(request_id),
        tenant=options.tenant,
        subject=subject,
        context=collected.context(),
        reason=why,
    )
    _confirm(options, "restricted", ask(options, lambda session: session.consent.SetRestriction, request))


def lift_restriction(
    options: Options,
    subject: inputs.Subject,
    collected: inputs.Collected,
    why: inputs.Why = "",
    request_id: inputs.RequestId = None,
) -> None:
    """Lift a restriction. The person is to be told before."""
    request = service.LiftRestrictionRequest(
        request_id=inputs.new_request_id(request_id),
        tenant=options.tenant,
        subject=subject,
        context=collected.context(),
        reason=why,
    )
    _confirm(options, "lifted", ask(options, lambda session: session.consent.LiftRestriction, request))


def link(
    options: Options,
    left: Left,
    right: Right,
    collected: inputs.Collected,
    request_id: inputs.RequestId = None,
) -> None:
    """Say that two identifiers are one person. The more protective state wins."""
    request = service.LinkIdentifiersRequest(
        request_id=inputs.new_request_id(request_id),
        tenant=options.tenant,
        left=left,
        right=right,
        context=collected.context(),
    )
    show(options, ask(options, lambda session: session.consent.LinkIdentifiers, request))


def unlink(
    options: Options,
    left: Left,
    right: Right,
    collected: inputs.Collected,
    request_id: inputs.RequestId = None,
) -> None:
    """Part two linked identifiers. Protective acts made while linked stand for both."""
    request = service.UndoLinkRequest(
        request_id=inputs.new_request_id(request_id),
        tenant=options.tenant,
        left=left,
        right=right,
        context=collected.context(),
    )
    answer = ask(options, lambda session: session.consent.UndoLink, request)
    if options.as_json:
        output.document(answer)
        return
    for side, found in (("left", answer.left_states), ("right", answer.right_states)):
        output.line(f"{side}:")
        states(found)
    output.pairs([("token", answer.consistency_token)])


def _confirm(options: Options, said: str, answer: Any) -> None:
    if options.as_json:
        output.document(answer)
    else:
        output.pairs([("processing", said), ("token", answer.consistency_token)])
