"""From an identifier to a person and their key, and back. The only place that sees identifiers next to persons.

- A person is made in the key store, durably, before any event of theirs is committed.
- Only persons who have events are remembered, never absence: such an identifier keeps its person until erasure, which
  leaves a mark in the rows that a stale entry leads to.
- A person who never got an event (a refused request, a crash) is swept after an hour; see `orphans`. Whoever is about
  to use one older than half of that touches it first, so that no sweep takes a person whose first event is under way.
- The memory is bounded and in this process only.
"""

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace

from consentledger.crypto.blind import blind_index
from consentledger.crypto.envelope import DataKey
from consentledger.crypto.provider import KeyProvider, KeyUnavailable
from consentledger.store.keystore import Identifier, KeyStore, Known, NewPerson
from consentledger.v1.events_pb2 import SubjectOpenedPersonal
from consentledger.v1.types_pb2 import SubjectRef
from services.consent.keeping import Keeping

SWEPT_AFTER_US = 3_600_000_000
"""How long a person without events is kept: an hour."""
_AT_ONCE = 20_000
_IDENTIFIER_AAD = b"consentledger.v1.identifier\0"


class Directory:
    """See the module's rules."""

    def __init__(
        self,
        keystore: KeyStore,
        provider: KeyProvider,
        clock: Callable[[], int],
        settled: Callable[[Sequence[bytes]], Awaitable[set[bytes]]],
        *,
        limit: int = 200_000,
    ) -> None:
        """`settled` says which of some persons have events; `limit` 0 turns the memory off."""
        self._keystore = keystore
        self._provider = provider
        self._clock = clock
        self._settled = settled
        self._limit = limit
        self._memory: dict[tuple[str, str, str], Known] = {}
        self._peppers: dict[str, bytes] = {}
        self._keys: dict[bytes, DataKey] = {}
        self.keeping = Keeping(keystore, provider)
        """What erased persons had refused."""

    def remembered(self, tenant: str, namespace: str, id: str) -> Known | None:
        """The person, if this process has seen the identifier as it is written."""
        return self._memory.get((tenant, namespace, id))

    async def find(
        self, tenant: str, subjects: Sequence[tuple[str, str]], *, remembered: bool = False
    ) -> list[Known | None]:
        """The persons of (namespace, id) pairs; None where there is none.

        What is remembered may lead to somebody who has been erased since: whoever takes that must look at their rows.
        """
        found = [self._memory.get((tenant, *s)) if remembered else None for s in subjects]
        missing = [i for i, known in enumerate(found) if known is None]
        if missing:
            pepper = self._pepper(tenant)
            blinds = {i: blind_index(pepper, *subjects[i]) for i in missing}
            there = await self._keystore.find(tenant, list(dict.fromkeys(blinds.values())))
            for i in missing:
                found[i] = there.get(blinds[i])
        return found

    async def ensure(
        self, tenant: str, subjects: Sequence[SubjectRef], may_make: Callable[[], Awaitable[None]] | None = None
    ) -> list[Known]:
        """The persons of these identifiers, made where there were none. None of them can be swept for half an hour.

        `may_make` is asked before anybody is made, and may raise.
        """
        names = [(s.namespace, s.id) for s in subjects]
        found = await self._lasting(await self.find(tenant, names, remembered=True))
        if may_make is not None and None in found:
            await may_make()
        new = [self._new(tenant, *name) for name, known in zip(names, found, strict=True) if known is None]
        made = await self._keystore.create(new) if new else {}
        pepper = self._pepper(tenant)
        return [
            await self._opening(tenant, known) if known is not None else made[tenant, blind_index(pepper, *name)]
            for name, known in zip(names, found, strict=True)
        ]

    async def _opening(self, tenant: str, known: Known) -> Known:
        """As remembered, or read again: the key may have been wrapped anew since, and its old epoch destroyed."""
        try:
            self.key(tenant, known)
        except KeyUnavailable:
            there = await self._keystore.wrapped([known.person])
            known = replace(known, wrapped=there.get(known.person, known.wrapped))
            self.key(tenant, known)
        return known

    def remember(self, tenant: str, namespace: str, id: str, known: Known) -> None:
        """Keep a person who has events."""
        if self._limit:
            while len(self._memory) >= self._limit:
                del self._memory[next(iter(self._memory))]
            self._memory[tenant, namespace, id] = known

    def forget(self, tenant: str, subjects: Iterable[SubjectRef]) -> None:
        """Drop what is remembered of these identifiers."""
        for s in subjects:
            known = self._memory.pop((tenant, s.namespace, s.id), None)
            if known is not None:
                self._keys.pop(known.person, None)

    async def forget_persons(self, persons: Iterable[bytes]) -> None:
        """Drop whatever is remembered of these persons, giving way to others now and then."""
        gone = set(persons)
        for person in gone:
            self._keys.pop(person, None)
        for number, (name, known) in enumerate(list(self._memory.items())):
            if known.person in gone:
                self._memory.pop(name, None)
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)

    async def _lasting(self, found: list[Known | None]) -> list[Known | None]:
        """The persons found, without those that a sweep has just taken."""
        now_us = self._clock()
        old = {k.person for k in found if k is not None and k.created_us < now_us - SWEPT_AFTER_US // 2}
        if not old:
            return found
        lone = old - await self._settled(list(old))
        if not lone:
            return found
        there = await self._keystore.touch(sorted(lone), now_us)
        return [None if k is not None and k.person in lone - there else k for k in found]

    def key(self, tenant: str, known: Known) -> DataKey:
        """The person's data key."""
        key = self._keys.get(known.person)
        if key is None:
            key = DataKey(self._provider.unwrap(known.wrapped, wrap_aad(tenant, known.person)))
            if len(self._keys) >= 10_000:
                self._keys.clear()
            self._keys[known.person] = key
        return key

    async def keys(self, tenant: str, persons: Sequence[bytes]) -> dict[bytes, DataKey]:
        """The data keys of persons known by UUID; those that are gone are left out."""
        wrapped = await self._keystore.wrapped(persons)
        return {p: self.key(tenant, Known(p, w, 0)) for p, w in wrapped.items()}

    async def identifiers(self, tenant: str, persons: Sequence[bytes], namespace: str) -> dict[bytes, list[str]]:
        """The identifiers of persons in one namespace, sorted."""
        keys = await self.keys(tenant, persons)
        answer: dict[bytes, list[str]] = {}
        for row in await self._keystore.identifiers(persons, namespace):
            key = keys.get(row.person)
            if key is not None:
                answer.setdefault(row.person, []).append(self._open(tenant, row, key).id)
        return {person: sorted(ids) for person, ids in answer.items()}

    async def names(self, tenant: str, persons: Sequence[bytes]) -> dict[bytes, list[SubjectRef]]:
        """Every identifier of these persons, oldest first."""
        keys = await self.keys(tenant, persons)
        answer: dict[bytes, list[SubjectRef]] = {}
        for row in await self._keystore.identifiers(persons):
            if row.person in keys:
                answer.setdefault(row.person, []).append(self._open(tenant, row, keys[row.person]))
        return answer

    async def refusal_blinds(self, tenant: str, persons: Sequence[bytes]) -> list[bytes]:
        """Under which index what these persons refused is to be kept: one for each of their identifiers."""
        keys = await self.keys(tenant, persons)
        opened = [self._open(tenant, row, keys[row.person]) for row in await self._keystore.identifiers(persons)]
        return [self.keeping.blind(tenant, subject.namespace, subject.id) for subject in opened]

    def _open(self, tenant: str, row: Identifier, key: DataKey) -> SubjectRef:
        sealed, commitment = row.sealed[:-32], row.sealed[-32:]
        opened = key.open(sealed, commitment, _identifier_aad(tenant, row.person))
        return SubjectOpenedPersonal.FromString(opened).subject

    def _new(self, tenant: str, namespace: str, id: str) -> NewPerson:
        person, raw = uuid.uuid4().bytes, os.urandom(32)
        payload = SubjectOpenedPersonal(subject=SubjectRef(namespace=namespace, id=id)).SerializeToString()
        sealed = DataKey(raw).seal(payload, _identifier_aad(tenant, person))
        return NewPerson(
            tenant=tenant,
            blind=blind_index(self._pepper(tenant), namespace, id),
            refusal_blind=self.keeping.blind(tenant, namespace, id),
            person=person,
            wrapped=self._provider.wrap(raw, wrap_aad(tenant, person)),
            namespace=namespace,
            sealed=sealed.ciphertext + sealed.commitment,
            created_us=self._clock(),
        )

    def _pepper(self, tenant: str) -> bytes:
        pepper = self._peppers.get(tenant)
        if pepper is None:
            pepper = self._peppers[tenant] = self._provider.derive(f"consent.pepper.{tenant}")
        return pepper


def distinct(persons: Iterable[bytes]) -> list[bytes]:
    """Each once, in order."""
    return list(dict.fromkeys(persons))


def wrap_aad(tenant: str, person: bytes) -> bytes:
    """What a person's wrapped key is bound to."""
    return b"person\0" + tenant.encode() + b"\0" + person


def _identifier_aad(tenant: str, person: bytes) -> bytes:
    return _IDENTIFIER_AAD + tenant.encode() + b"\0" + person
