"""ExportSubject: find the person, record that everything about them is read, gather it, seal it.

- What leaves is sealed to the requester's key; plain text is in memory only, never on disk.
- The archive holds what was recorded when the person was found, and the record of this very read.
- A person who is being erased can still have their data, until the first key is destroyed.
- Cut off in the middle it does not open: nobody takes a part for the whole.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace

from consentledger.crypto.parcel import NotAKey, Parcel
from consentledger.errors import invalid
from consentledger.store.signedlog import SignedLog
from consentledger.v1 import consent_service_pb2 as cs
from services.consent.accesses import LINKED, Accesses
from services.consent.catalogues import Catalogues
from services.consent.directory import Directory
from services.consent.export.archive import Held, archive
from services.consent.records import Finder

EVERYTHING = "everything"
"""What was read, in the record of an export."""


class Exporting:
    """See the module's rules."""

    def __init__(
        self,
        log: SignedLog,
        finder: Finder,
        accesses: Accesses,
        directory: Directory,
        catalogues: Catalogues,
        clock: Callable[[], int],
    ) -> None:
        self._log = log
        self._finder = finder
        self._accesses = accesses
        self._directory = directory
        self._catalogues = catalogues
        self._clock = clock

    async def export(self, r: cs.ExportSubjectRequest) -> AsyncIterator[cs.ExportSubjectResponse]:
        """ExportSubject."""
        try:
            parcel = Parcel(r.recipient_key)
        except NotAKey:
            raise invalid("recipient_key", "an X25519 public key of 32 bytes") from None
        held = await self._held(r)
        yield cs.ExportSubjectResponse(data=parcel.head)
        async with aclosing(archive(held, self._log)) as portions:  # type: ignore[type-var]
            async for portion in portions:
                for piece in parcel.seal(portion):
                    yield cs.ExportSubjectResponse(data=piece)
        yield cs.ExportSubjectResponse(data=parcel.end())

    async def _held(self, r: cs.ExportSubjectRequest) -> Held:
        records = await self._finder.find(r.tenant, r.subject)
        names = await self._directory.names(r.tenant, records.persons)
        catalogue = await self._catalogues.current(r.tenant)
        read = {EVERYTHING, LINKED} if records.members else {EVERYTHING}
        done = await self._accesses.record(records, "ExportSubject", r.access, dict.fromkeys(records.persons, read))
        own = await self._log.store.entries(done.first - 1, len(records.persons), upto=done.last)
        complete = replace(records, entries=[*records.entries, *own])
        return Held(r.subject, complete, names, catalogue, self._clock())
