"""What one leaf says of a choice, a withdrawal or an objection. Pure.

- Everything is read from the leaf's bytes, which are what the proof covers; nothing is taken from elsewhere.
- A withdrawal or objection without purposes is for all of them, written "*".
"""

from dataclasses import dataclass
from enum import StrEnum

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from consentledger.errors import invalid
from consentledger.v1 import events_pb2 as events
from consentledger.v1 import types_pb2 as types

FORMAT = 1
EVERY_PURPOSE = "*"


class Kind(StrEnum):
    """What the person did."""

    GRANT = "grant"
    DENY = "deny"
    WITHDRAW = "withdraw"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class ProvenAct:
    """One act, as its leaf has it."""

    kind: Kind
    tenant: str
    person: bytes
    """The person's stream UUID, 16 random bytes."""
    purposes: tuple[str, ...]
    """Purpose ids; ("*",) for all."""
    happened_at: Timestamp
    """When the person acted, as told; when it was recorded, if nobody told."""
    recorded_at: Timestamp
    common: events.Act
    """How it was collected."""
    notice_version: str = ""
    """What the person saw; of an import also a version that was never published here."""
    notice_known: bool = False
    """Whether that version was published here."""
    explicit: bool = False
    expires_at: Timestamp | None = None


def entry_of(leaf: bytes) -> events.LedgerEntry:
    """The entry of a leaf. Raises INVALID_FIELD for anything but a LedgerEntry of format 1."""
    try:
        entry = events.LedgerEntry.FromString(leaf)
    except DecodeError:
        raise invalid("leaf", "a LedgerEntry") from None
    if entry.format != FORMAT:
        raise invalid("leaf", f"a LedgerEntry of format {FORMAT}")
    return entry


def act_of(leaf: bytes) -> ProvenAct:
    """The act of a leaf. Raises INVALID_FIELD for any other event."""
    entry = entry_of(leaf)
    kind = entry.header.WhichOneof("kind")
    happened_at = entry.occurred_at if entry.HasField("occurred_at") else entry.recorded_at
    if kind == "consent_recorded":
        header = entry.header.consent_recorded
        return ProvenAct(
            kind=Kind.GRANT if header.choice == types.CHOICE_GRANT else Kind.DENY,
            tenant=entry.tenant,
            person=entry.stream,
            purposes=(header.purpose,),
            happened_at=happened_at,
            recorded_at=entry.recorded_at,
            common=header.act,
            notice_version=header.notice_version or header.told_notice_version,
            notice_known=bool(header.notice_version),
            explicit=header.explicit,
            expires_at=header.expires_at if header.HasField("expires_at") else None,
        )
    if kind not in ("consent_withdrawn", "objection_recorded"):
        raise invalid("position", "a choice, a withdrawal or an objection")
    taken_back = entry.header.consent_withdrawn if kind == "consent_withdrawn" else entry.header.objection_recorded
    return ProvenAct(
        kind=Kind.WITHDRAW if kind == "consent_withdrawn" else Kind.OBJECT,
        tenant=entry.tenant,
        person=entry.stream,
        purposes=tuple(taken_back.purposes) or (EVERY_PURPOSE,),
        happened_at=happened_at,
        recorded_at=entry.recorded_at,
        common=taken_back.act,
    )
