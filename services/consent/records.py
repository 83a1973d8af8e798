"""All that the log holds about one person and everyone linked with them now, and the keys that open it.

Read from the log itself, so that it does not depend on any table that can be dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

from consentledger.crypto.envelope import DataKey, event_aad
from consentledger.errors import LedgerError, Reason
from consentledger.store.ledger import Entry, Store
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from services.consent.catalogues import Catalogues
from services.consent.directory import Directory
from services.consent.domain.access import AccessRecorded
from services.consent.domain.person import Person

_PERSONAL: dict[str, type[Message]] = {
    Person.Created.TOPIC: ev.SubjectOpenedPersonal,
    AccessRecorded.TOPIC: ev.AccessPersonal,
}


@dataclass(frozen=True, slots=True)
class Records:
    """Entries by position, oldest first."""

    tenant: str
    person: bytes
    """The one asked for."""
    members: tuple[bytes, ...]
    """Those linked with them."""
    entries: list[Entry]
    keys: dict[bytes, DataKey]

    @property
    def persons(self) -> tuple[bytes, ...]:
        """The one asked for first."""
        return (self.person, *self.members)

    def open(self, entry: Entry, leaf: ev.LedgerEntry) -> Message | None:
        """What is sealed beside the entry: of a type that follows from the entry's; None if there is nothing."""
        key = self.keys.get(entry.stream)
        if entry.ciphertext is None or key is None:
            return None
        opened = key.open(
            entry.ciphertext, leaf.commitment, event_aad(entry.tenant, entry.stream, entry.version, entry.type)
        )
        return _PERSONAL.get(entry.type, ev.ActPersonal).FromString(opened)


class Finder:
    """From an identifier to records."""

    def __init__(self, store: Store, directory: Directory, catalogues: Catalogues) -> None:
        self._store = store
        self._directory = directory
        self._catalogues = catalogues

    async def find(self, tenant: str, subject: ty.SubjectRef) -> Records:
        """TENANT_UNKNOWN; SUBJECT_UNKNOWN for who has no events or is erased, from the first key destroyed."""
        await self._catalogues.require(tenant)
        known = (await self._directory.find(tenant, [(subject.namespace, subject.id)]))[0]
        own = await self._store.streams([known.person]) if known is not None else ()
        if known is None or not own:  # a refused command may leave an identifier without a person's events
            raise LedgerError(Reason.SUBJECT_UNKNOWN)
        members = _members(own)
        entries = sorted([*own, *(await self._store.streams(members) if members else ())], key=_position)
        keys = await self._directory.keys(tenant, [known.person, *members])
        if len(keys) <= len(members):  # being destroyed
            raise LedgerError(Reason.SUBJECT_UNKNOWN)
        return Records(tenant, known.person, tuple(members), entries, keys)

    async def destroyed(self, records: Records) -> bool:
        """Whether a key that was there when the records were found is gone; then nothing sealed is left of them."""
        keys = await self._directory.keys(records.tenant, records.persons)
        if len(keys) == len(records.persons):
            return False
        await self._store.erase_ciphertexts(records.persons)
        return True


def _position(entry: Entry) -> int:
    return entry.position


def _members(own: Sequence[Entry]) -> list[bytes]:
    """Whom the person is linked with now: the newest word on it counts."""
    for entry in reversed(own):
        if entry.type == Person.LinksChanged.TOPIC:
            return list(ev.LedgerEntry.FromString(entry.leaf).header.links_changed.members)
    return []
