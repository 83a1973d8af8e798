"""An obligation as the body of a webhook, `{type, timestamp, data}`. Pure.

The only personal values in it are the identifiers that the downstream registered for. It is never logged.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from consentledger.client.obligation import ALL, Obligation

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TooLarge(Exception):
    """The person has more identifiers than a webhook may hold."""


def body_of(obligation: Obligation, most: int) -> bytes:
    """UTF-8 JSON of at most `most` bytes; `timestamp` is when the revocation was recorded. Raises TooLarge.

    A list of purposes that is too long becomes all of them: more is stopped than was asked, never less.
    """
    for purposes in (obligation.purposes, (ALL,)):
        body = json.dumps(_message(obligation, purposes), ensure_ascii=False, separators=(",", ":")).encode()
        if len(body) <= most:
            return body
    raise TooLarge


def _message(obligation: Obligation, purposes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "type": obligation.event_type,
        "timestamp": _instant(obligation.revoked_us),
        "data": {
            "obligation": obligation.id,
            "tenant": obligation.tenant,
            "downstream": obligation.downstream,
            "ledger_position": obligation.ledger_position,
            "purposes": list(purposes),
            "namespace": obligation.namespace,
            "ids": list(obligation.ids),
            "catalogue": obligation.catalogue,
            "event_type": obligation.event_type,
            "revoked_at": _instant(obligation.revoked_us),
            "due_at": _instant(obligation.due_us),
        },
    }


def _instant(us: int) -> str:
    return (_EPOCH + timedelta(microseconds=us)).isoformat(timespec="microseconds").replace("+00:00", "Z")
