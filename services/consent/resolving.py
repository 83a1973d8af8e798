"""ResolveIdentifiers: from persons to one namespace's identifiers, linked persons included. For the notifier only."""

from consentledger.store.ledger import Store
from consentledger.v1 import consent_service_pb2 as cs
from services.consent.catalogues import Catalogues
from services.consent.directory import Directory, distinct
from services.consent.projection.lookups import groups_of


class Resolving:
    """See the module."""

    def __init__(self, store: Store, directory: Directory, catalogues: Catalogues) -> None:
        self._store = store
        self._directory = directory
        self._catalogues = catalogues

    async def resolve(self, r: cs.ResolveIdentifiersRequest) -> cs.ResolveIdentifiersResponse:
        """Identifiers by person, in the order asked; persons of another tenant have none."""
        await self._catalogues.require(r.tenant)
        groups = await groups_of(self._store, r.tenant, distinct(r.persons))
        everyone = distinct(p for group in groups.values() for p in group)
        ids = await self._directory.identifiers(r.tenant, everyone, r.namespace) if everyone else {}
        answer = cs.ResolveIdentifiersResponse()
        for person in r.persons:
            found = sorted({i for member in groups.get(person, ()) for i in ids.get(member, ())})
            answer.persons.add(person=person, ids=found)
        return answer
