"""What the log says that downstreams must have been handed, and how what they were handed differs from it.

Computed from the leaves that an auditor replays, by the words of the contract and by none of the notifier's code.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consentledger.client.obligation import ALL, Obligation
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import events_pb2 as ev


@dataclass(frozen=True, slots=True)
class Revoked:
    """A revocation in the log."""

    position: int
    person: bytes
    """Empty when the catalogue changed."""
    purposes: frozenset[str]


async def revocations(audit: Any, tenant: str) -> list[Revoked]:
    """Every revocation of a tenant's log, in order."""
    found = []
    everything = au.ReplayEventsRequest(tenant=tenant)
    async for chunk in audit.ReplayEvents(everything, timeout=120, wait_for_ready=True):
        for position, leaf in zip(chunk.positions, chunk.leaves, strict=True):
            entry = ev.LedgerEntry.FromString(leaf)
            body = getattr(entry.header, entry.header.WhichOneof("kind") or "")
            person, purposes = entry.stream, list(getattr(getattr(body, "act", None), "revoked_purposes", ()))
            if isinstance(body, ev.PurposeChanged) and body.revokes:
                person, purposes = b"", [body.purpose.id]
            elif isinstance(body, ev.NoticePublished) and body.notice.material:
                person, purposes = b"", list(body.notice.purposes) or [ALL]
            if purposes:
                found.append(Revoked(position, person, frozenset(purposes)))
    return found


def due(log: Iterable[Revoked], receives: Sequence[str]) -> dict[int, frozenset[str]]:
    """What a downstream that receives these purposes must be told: position -> purposes to stop."""
    told = {}
    for r in log:
        concerned = r.purposes if ALL in r.purposes or ALL in receives else r.purposes & set(receives)
        if concerned:
            told[r.position] = frozenset({ALL}) if ALL in concerned else concerned
    return told


def unlike(expected: Mapping[int, frozenset[str]], got: Iterable[Obligation]) -> set[int]:
    """The positions that were not delivered, not expected, or delivered for other purposes."""
    told = {o.ledger_position: frozenset(o.purposes) for o in got}
    return {position for position in expected.keys() | told.keys() if expected.get(position) != told.get(position)}


def overtaken(
    log: Iterable[Revoked], got: Iterable[Obligation], redelivered: Collection[int] = ()
) -> list[tuple[int, int]]:
    """(newer, older) wherever an older obligation of a person came after a newer one, and that for the first time.

    What the broker had handed to a downstream that then crashed counts as delivered: it comes again when the broker
    stops waiting for it, whatever was handed out meanwhile.
    """
    person = {r.position: r.person for r in log}
    seen = set(redelivered)
    newest: dict[bytes, int] = {}
    wrong = []
    for position in (o.ledger_position for o in got):
        last = newest.get(person[position], 0)
        if position < last and position not in seen:
            wrong.append((last, position))
        seen.add(position)
        newest[person[position]] = max(last, position)
    return wrong


def misnamed(log: Iterable[Revoked], got: Iterable[Obligation]) -> set[int]:
    """The positions whose obligation did not name the person as the person's others did, or named somebody else's."""
    person = {r.position: r.person for r in log}
    wrong = set()
    named: dict[bytes, tuple[str, ...]] = {}
    owners: dict[tuple[str, ...], bytes] = {(): b""}
    for o in got:
        who = person[o.ledger_position]
        if named.setdefault(who, o.ids) != o.ids or owners.setdefault(o.ids, who) != who:
            wrong.add(o.ledger_position)
    return wrong
