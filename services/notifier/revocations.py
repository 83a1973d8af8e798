"""Which ledger entries revoke, and what. Reads leaves; no I/O.

- Whatever act of a person names `revoked_purposes` revokes them, whichever its type: a new kind of act needs no change.
- Of the catalogue, a purpose change that revokes does, a material notice for its purposes or else for all, and another
  default jurisdiction of the tenant for all.
- An entry of a format or kind that is not known here is refused, never skipped: it might revoke. Whoever upgrades the
  services upgrades the notifier first.
"""

from google.protobuf.message import DecodeError

from consentledger.store.commands import FORMAT
from consentledger.v1 import events_pb2 as ev
from services.notifier.domain.downstream import ALL
from services.notifier.domain.revocation import Revocation
from services.notifier.wire import micros


class UnknownEntry(Exception):
    """An entry that this version cannot read."""


def revocation_of(position: int, leaf: bytes) -> Revocation | None:
    """The revocation that the entry at this position is, if it is one. Raises UnknownEntry."""
    try:
        entry = ev.LedgerEntry.FromString(leaf)
    except DecodeError:
        raise UnknownEntry("not a ledger entry") from None
    kind = entry.header.WhichOneof("kind")
    if entry.format != FORMAT or kind is None:
        raise UnknownEntry("a ledger entry of a format or kind that this version does not know")
    body = getattr(entry.header, kind)
    person = entry.stream
    if kind == "purpose_changed":
        purposes, person = ([body.purpose.id] if body.revokes else []), b""
    elif kind == "tenant_changed":
        purposes, person = ([ALL] if body.revokes else []), b""
    elif kind == "notice_published":
        purposes, person = (list(body.notice.purposes) or [ALL] if body.notice.material else []), b""
    else:
        purposes = list(body.act.revoked_purposes) if "act" in body.DESCRIPTOR.fields_by_name else []
    if not purposes:
        return None
    return Revocation(entry.tenant, position, person, tuple(purposes), entry.type, micros(entry.recorded_at))
