"""WatchConsent: follow one tenant's events from a position, for ever, with heartbeats.

The cursor is a position, so it never expires; memory is one chunk.
"""

from collections.abc import AsyncIterator
from time import monotonic

from consentledger.errors import LedgerError, Reason
from consentledger.store.follower import Bell
from consentledger.store.ledger import Entry, Store
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from services.consent.catalogues import Catalogues
from services.consent.directory import Directory
from services.consent.domain.catalogue import catalogue_stream
from services.consent.domain.erasure import KeyDestroyed
from services.consent.projection.lookups import members_of

CHUNK = 500
POLL_SECONDS = 0.5
"""How long a commit of another replica may go unnoticed."""


class Watching:
    """The tail of the log for callers."""

    def __init__(self, store: Store, directory: Directory, catalogues: Catalogues, bell: Bell) -> None:
        self._store = store
        self._directory = directory
        self._catalogues = catalogues
        self._bell = bell

    async def watch(self, r: cs.WatchConsentRequest) -> AsyncIterator[cs.WatchConsentResponse]:
        """Events and heartbeats until the caller goes."""
        await self._catalogues.require(r.tenant)
        persons = await self._persons(r) if r.HasField("subject") else None
        head = (await self._store.head()).position
        if r.from_position > head + 1:
            raise LedgerError(Reason.TOKEN_AHEAD)
        after = r.from_position - 1 if r.from_position else head
        heartbeat = float(r.heartbeat_seconds or 10)
        due = monotonic() + (heartbeat if r.from_position else 0.0)
        catalogue = catalogue_stream(r.tenant).bytes
        while True:
            count = self._bell.count
            head = (await self._store.head()).position
            if persons is not None and not persons and head > after:
                persons = await self._persons(r)  # nobody by that name until now
            entries = await self._store.entries(after, CHUNK, upto=head, tenant=r.tenant) if head > after else ()
            for entry in entries:
                after = entry.position
                if persons is None or entry.stream in persons or entry.stream == catalogue:
                    yield _event(entry)
                    due = monotonic() + heartbeat
                if persons and entry.type == KeyDestroyed.TOPIC:
                    persons.discard(entry.stream)  # whoever comes under the name from here on is somebody else
            if len(entries) == CHUNK:
                continue
            after = max(after, head)
            if monotonic() >= due:
                yield cs.WatchConsentResponse(position=after)
                due = monotonic() + heartbeat
            await self._bell.changed(count, min(POLL_SECONDS, max(0.0, due - monotonic())))

    async def _persons(self, r: cs.WatchConsentRequest) -> set[bytes]:
        known = (await self._directory.find(r.tenant, [(r.subject.namespace, r.subject.id)]))[0]
        if known is None:
            return set()
        return {known.person, *await members_of(self._store, known.person)}


def _event(entry: Entry) -> cs.WatchConsentResponse:
    return cs.WatchConsentResponse(position=entry.position, entry=ev.LedgerEntry.FromString(entry.leaf))
