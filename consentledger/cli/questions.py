"""Commands that ask what may be done and what stands: check, state.

- `check` ends with 0 for ALLOWED and nothing else, with 4 for NOT_ALLOWED and every other answer.
"""

from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from consentledger.cli import inputs, output
from consentledger.cli.acts import states
from consentledger.cli.failures import ExitCode, Misuse
from consentledger.cli.options import Options, command
from consentledger.cli.output import moment, number, word
from consentledger.cli.session import ask
from consentledger.v1 import consent_service_pb2 as service
from consentledger.v1 import types_pb2 as types

AsOf = Annotated[Timestamp | None, typer.Option(parser=inputs.timestamp, metavar="TIME", help="Ask about then.")]
KnownAt = Annotated[
    Timestamp | None, typer.Option(parser=inputs.timestamp, metavar="TIME", help="Ask what was recorded by then.")
]
Fresh = Annotated[str, typer.Option("--at-least-as-fresh", metavar="TOKEN", help="Reflect an earlier answer.")]
Fast = Annotated[bool, typer.Option("--minimize-latency", help="May answer from memory, within the stated bound.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "check")(check)
    command(app, "state")(state)


def check(
    options: Options,
    subject: inputs.Subject,
    purpose: inputs.Purpose,
    jurisdiction: inputs.Jurisdiction = "",
    as_of: AsOf = None,
    known_at: KnownAt = None,
    fresh: Fresh = "",
    fast: Fast = False,
) -> None:
    """Ask if a use is allowed. Exit code 0 means ALLOWED, 4 means NOT_ALLOWED; after any other: do not."""
    request = service.CheckConsentRequest(
        tenant=options.tenant,
        subject=subject,
        purpose=purpose,
        jurisdiction=jurisdiction,
        as_of=as_of,
        known_at=known_at,
        consistency=_consistency(fresh, fast),
    )
    answer: service.CheckConsentResponse = ask(options, lambda session: session.consent.CheckConsent, request)
    if options.as_json:
        output.document(answer)
    else:
        output.pairs(
            [
                ("decision", word(types.Decision, answer.decision, "DECISION_")),
                ("reason", word(types.DecisionReason, answer.reason, "DECISION_REASON_")),
                ("state", word(types.ConsentState, answer.state, "CONSENT_STATE_")),
                ("basis", word(types.LegalBasis, answer.legal_basis, "LEGAL_BASIS_")),
                ("regime", answer.regime),
                ("position", number(answer.position)),
                ("valid until", moment(answer, "valid_until")),
                ("token", answer.consistency_token),
            ]
        )
    raise typer.Exit(ExitCode.OK if answer.decision == types.DECISION_ALLOWED else ExitCode.NOT_ALLOWED)


def state(options: Options, subject: inputs.Subject, fresh: Fresh = "", fast: Fast = False) -> None:
    """Show what stands for one person. A state is no decision: ask `check` before each use."""
    request = service.GetConsentStateRequest(
        tenant=options.tenant, subject=subject, consistency=_consistency(fresh, fast)
    )
    answer: service.GetConsentStateResponse = ask(options, lambda session: session.consent.GetConsentState, request)
    if options.as_json:
        output.document(answer)
        return
    states(answer.states)
    output.pairs(
        [
            ("signal", "on" if answer.signal_on else "off"),
            ("processing", "restricted" if answer.restricted else "not restricted"),
            ("token", answer.consistency_token),
        ]
    )


def _consistency(fresh: str, fast: bool) -> types.Consistency | None:
    if fresh and fast:
        raise Misuse("only one of them", param_hint="--at-least-as-fresh / --minimize-latency")
    if fresh:
        return types.Consistency(at_least_as_fresh=fresh)
    return types.Consistency(minimize_latency=True) if fast else None
