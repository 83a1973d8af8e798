"""Commands that record what a person says: record, withdraw, object."""

from typing import Annotated, Any

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from consentledger.cli import inputs, output
from consentledger.cli.options import Options, command
from consentledger.cli.output import moment, number, word
from consentledger.cli.session import ask
from consentledger.v1 import consent_service_pb2 as service
from consentledger.v1 import types_pb2 as types

Deny = Annotated[bool, typer.Option("--deny", help="The person refused; a grant if left out.")]
Notice = Annotated[str, typer.Option(metavar="VERSION", help="The notice that the person saw; a grant needs one.")]
Explicit = Annotated[bool, typer.Option("--explicit", help="An explicit act, apart from all others.")]
Expires = Annotated[
    Timestamp | None, typer.Option(parser=inputs.timestamp, metavar="TIME", help="When the grant ends.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "record")(record)
    command(app, "withdraw")(withdraw)
    command(app, "object")(objection)


def record(
    options: Options,
    subject: inputs.Subject,
    purposes: inputs.SomePurposes,
    collected: inputs.Collected,
    deny: Deny = False,
    notice: Notice = "",
    explicit: Explicit = False,
    expires: Expires = None,
    occurred_at: inputs.OccurredAt = None,
    age_band: inputs.AgeBand = None,
    request_id: inputs.RequestId = None,
) -> None:
    """Record a grant or a denial. Several purposes are recorded all or none."""
    choice = types.CHOICE_DENY if deny else types.CHOICE_GRANT
    request = service.RecordConsentRequest(
        request_id=inputs.new_request_id(request_id),
        tenant=options.tenant,
        subject=subject,
        choices=[
            service.ConsentChoice(purpose=purpose, choice=choice, expires_at=expires, explicit=explicit)
            for purpose in purposes
        ],
        notice_version=notice,
        occurred_at=occurred_at,
        context=collected.context(age_band),
    )
    show(options, ask(options, lambda session: session.consent.RecordConsent, request))


def withdraw(
    options: Options,
    subject: inputs.Subject,
    collected: inputs.Collected,
    purposes: inputs.AnyPurposes = None,
    occurred_at: inputs.OccurredAt = None,
    why: inputs.Why = "",
    request_id: inputs.RequestId = None,
) -> None:
    """Take grants back. It always succeeds, also for a person never seen."""
    request = service.WithdrawConsentRequest(
        request_id=inputs.new_request_id(request_id),
        tenant=options.tenant,
        subject=subject,
        purposes=purposes or [],
        occurred_at=occurred_at,
        context=collected.context(),
        reason=why,
    )
    show(options, ask(options, lambda session: session.consent.WithdrawConsent, request))


def objection(
    options: Options,
    subject: inputs.Subject,
    collected: inputs.Collected,
    purposes: inputs.AnyPurposes = None,
    occurred_at: inputs.OccurredAt = None,
    why: inputs.Why = "",
    request_id: inputs.RequestId = None,
) -> None:
    """Record an objection to processing."""
    request = service.RecordObjectionRequest(
        request_id=inputs.new_request_id(request_id),
        tenant=options.tenant,
        subject=subject,
        purposes=purposes or [],
        occurred_at=occurred_at,
        context=collected.context(),
        reason=why,
    )
    show(options, ask(options, lambda session: session.consent.RecordObjection, request))


def show(options: Options, answer: Any) -> None:
    """What stands after a write, and the token that reflects it."""
    if options.as_json:
        output.document(answer)
        return
    states(answer.states)
    output.pairs([("token", answer.consistency_token)])


def states(states: Any) -> None:
    """A table of what stands."""
    output.table(
        ("purpose", "state", "notice", "since", "recorded", "expires", "position", ""),
        (
            (
                state.purpose,
                word(types.ConsentState, state.state, "CONSENT_STATE_"),
                state.notice_version,
                moment(state, "occurred_at"),
                moment(state, "recorded_at"),
                moment(state, "expires_at"),
                number(state.position),
                "SUPERSEDED: a newer act stands" if state.superseded else "",
            )
            for state in states
        ),
    )
