"""What the receiver of a webhook said in its answer. Pure.

A 2xx says that it has the obligation. A JSON body may say more: `{"outcome": "enforced", "method": "suppressed",
"records_affected": 1, "enforced_at": "2026-01-02T03:04:05Z"}`, or `{"outcome": "failed", "failure_reason": "..."}`.
Whatever is not of that form says no more than that it was received: nobody is taken to obey who did not say so.
"""

import json
from datetime import datetime
from typing import Any

from consentledger.errors import LedgerError
from consentledger.v1 import events_pb2 as ev
from services.notifier import checks
from services.notifier.domain.obligation import Evidence, Step
from services.notifier.wire import evidence_from

RECEIVED = (Step.RECEIVED, Evidence())
_OUTCOMES = {"received": Step.RECEIVED, "enforced": Step.ENFORCED, "failed": Step.FAILED}


def told(body: bytes) -> tuple[Step, Evidence]:
    """The outcome and its evidence, of the body of a 2xx."""
    try:
        said = json.loads(body)
        if not isinstance(said, dict):
            return RECEIVED
        step = _OUTCOMES[said["outcome"]]
        evidence = _evidence(said)
        checks.evidence(evidence, step)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, LedgerError):
        return RECEIVED
    return step, evidence_from(evidence)


def _evidence(said: dict[str, Any]) -> ev.Evidence:
    count = said.get("records_affected", 0)
    if isinstance(count, bool):
        raise TypeError
    message = ev.Evidence(
        method=said.get("method", ""), records_affected=count, failure_reason=said.get("failure_reason", "")
    )
    if (at := said.get("enforced_at")) is not None:
        instant = datetime.fromisoformat(at)
        if instant.tzinfo is None:
            raise ValueError
        message.enforced_at.FromDatetime(instant)
    return message
