"""GetConsentState and GetPreferences: what stands for one person."""

from collections.abc import Callable

from consentledger.store.ledger import Store
from consentledger.store.token import token
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from services.consent.application import SERVICE
from services.consent.catalogues import Catalogues
from services.consent.checking import NOBODY, Checks
from services.consent.directory import Directory
from services.consent.domain.decision import combined
from services.consent.domain.group import Standing
from services.consent.projection.lookups import everything_of, preferences_of
from services.consent.wire import state_to


class States:
    """What stands for one person, all purposes at once."""

    def __init__(
        self,
        store: Store,
        directory: Directory,
        catalogues: Catalogues,
        checks: Checks,
        clock: Callable[[], int],
        epoch: int,
    ) -> None:
        self._store = store
        self._directory = directory
        self._catalogues = catalogues
        self._checks = checks
        self._clock = clock
        self._epoch = epoch

    async def state(self, r: cs.GetConsentStateRequest) -> cs.GetConsentStateResponse:
        """GetConsentState."""
        person = await self._person(r.tenant, r.subject)
        everything = await everything_of(self._store, r.tenant, person)
        self._fresh(r.consistency, everything.position)
        catalogue = await self._catalogues.at_least(r.tenant, everything.catalogue_version)
        persons = list(everything.persons.values())
        if person is NOBODY:
            name = (r.subject.namespace, r.subject.id)
            kept = await self._directory.keeping.of(r.tenant, [name])
            persons = [refusals.state() for refusals in kept.values()]
        now_us = self._clock()
        standing = [
            Standing(purpose, *combined(persons, purpose, catalogue.stale, now_us))
            for purpose in sorted(catalogue.purposes)
        ]
        return cs.GetConsentStateResponse(
            states=map(state_to, standing),
            signal_on=any(p.signal_on for p in persons),
            restricted=any(p.restricted for p in persons),
            consistency_token=token(SERVICE, self._epoch, everything.position),
        )

    async def preferences(self, r: cs.GetPreferencesRequest) -> cs.GetPreferencesResponse:
        """GetPreferences, of the identifier given; preferences of linked ones are their own."""
        found = await preferences_of(self._store, r.tenant, await self._person(r.tenant, r.subject))
        await self._catalogues.at_least(r.tenant, found.catalogue_version)
        self._fresh(r.consistency, found.position)
        kept = [ev.Preference(channel=c, topic=t, frequency=f, language=lang) for c, t, f, lang in found.kept]
        answer_token = token(SERVICE, self._epoch, found.position)
        return cs.GetPreferencesResponse(preferences=kept, consistency_token=answer_token)

    async def _person(self, tenant: str, subject: ty.SubjectRef) -> bytes:
        await self._catalogues.require(tenant)
        known = (await self._directory.find(tenant, [(subject.namespace, subject.id)]))[0]
        return NOBODY if known is None else known.person

    def _fresh(self, consistency: ty.Consistency, position: int) -> None:
        if consistency.WhichOneof("requirement") == "at_least_as_fresh":
            self._checks.require_fresh(consistency, position)
