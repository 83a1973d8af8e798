"""Commands for obligations: list, and ack in a downstream's place."""

from typing import Annotated, Any, cast

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from consentledger.cli import inputs, output
from consentledger.cli.options import Options, command, group
from consentledger.cli.output import moment, word
from consentledger.cli.session import ask, run
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import notifier_service_pb2 as service

app = group("What downstreams must enforce, and what became of it.")

_STATE = inputs.choice(events.ObligationState, "OBLIGATION_STATE_")

Id = Annotated[str, typer.Argument(metavar="OBLIGATION", help="The obligation's id.")]
Downstream = Annotated[str, typer.Option(metavar="ID", help="Of one downstream only.")]
State = Annotated[
    int | None,
    typer.Option(parser=_STATE, metavar="pending|sent|received|enforced|failed", help="In one state only."),
]
Revocation = Annotated[int, typer.Option("--ledger-position", min=0, metavar="N", help="Of one revocation only.")]
Limit = Annotated[int, typer.Option(min=0, metavar="N", help="At most so many; 0 means all.")]
Outcome = Annotated[int, typer.Option(parser=_STATE, metavar="received|enforced|failed", help="What became of it.")]
How = Annotated[str, typer.Option("--method", metavar="TOKEN", help="What was done: suppressed, deleted, stopped.")]
Records = Annotated[int, typer.Option("--records-affected", min=0, metavar="N", help="How many records changed.")]
Failure = Annotated[str, typer.Option("--failure-reason", metavar="TOKEN", help="Why it failed.")]
EnforcedAt = Annotated[
    Timestamp | None, typer.Option(parser=inputs.timestamp, metavar="TIME", help="The downstream's own time.")
]


@command(app, "list")
def list_all(
    options: Options, downstream: Downstream = "", state: State = None, revocation: Revocation = 0, limit: Limit = 0
) -> None:
    """Show obligations, in the order they were made."""
    request = service.ListObligationsRequest(
        tenant=options.tenant,
        downstream=downstream,
        state=cast(events.ObligationState, state or 0),
        ledger_position=revocation,
    )
    answer = run(options, lambda session: session.pages(session.notifier.ListObligations, request, limit=limit))
    if options.as_json:
        output.document(answer)
    else:
        _table(answer.obligations)


@command(app, "ack")
def ack(
    options: Options,
    obligation: Id,
    outcome: Outcome,
    how: How = "",
    records: Records = 0,
    failure: Failure = "",
    enforced_at: EnforcedAt = None,
    request_id: inputs.RequestId = None,
) -> None:
    """Record what a downstream did."""
    request = service.AcknowledgeObligationRequest(
        request_id=inputs.new_request_id(request_id),
        tenant=options.tenant,
        obligation=obligation,
        outcome=cast(events.ObligationState, outcome),
        evidence=events.Evidence(enforced_at=enforced_at, method=how, records_affected=records, failure_reason=failure),
    )
    answer = ask(options, lambda session: session.notifier.AcknowledgeObligation, request)
    if options.as_json:
        output.document(answer)
    else:
        _table([answer.obligation])


def _table(obligations: Any) -> None:
    output.table(
        ("id", "downstream", "state", "purposes", "position", "revoked", "due", "evidence"),
        (
            (
                item.id,
                item.downstream,
                word(events.ObligationState, item.state, "OBLIGATION_STATE_"),
                ", ".join(item.purposes),
                str(item.ledger_position),
                moment(item, "revoked_at"),
                moment(item, "due_at"),
                _evidence(item.evidence) if item.HasField("evidence") else "",
            )
            for item in obligations
        ),
    )


def _evidence(evidence: events.Evidence) -> str:
    records = f"{evidence.records_affected} records" if evidence.records_affected else ""
    said = (evidence.method, evidence.failure_reason, records, moment(evidence, "enforced_at"))
    return ", ".join(part for part in said if part)
