"""Random valid logs: real leaves, sealed as the services do it, with erasures; from one `Random`, reproducibly.

What is random is what happens to whom; that it is allowed is the model's: versions, times, nothing after an erasure.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consentledger.crypto.envelope import FORMAT, DataKey, Sealed, commit
from consentledger.store.commands import Draft, seal
from consentledger.store.ledger import Entry
from consentledger.tlog.hashing import leaf_hash
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty

TENANTS = ("acme", "beta", "gamma")
START_US = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z."""
STEP_US = 1_000_000
PURPOSES = ("marketing.email", "analytics.web", "data.sale")


class SeededKey(DataKey):
    """A data key whose nonces and salts come from a `Random`: for reproducible tests, and for nothing else."""

    __slots__ = ("_chance", "raw")

    def __init__(self, chance: random.Random) -> None:
        self.raw = chance.randbytes(32)
        self._chance = chance
        super().__init__(self.raw)

    def seal(self, payload: bytes, aad: bytes) -> Sealed:
        """As `DataKey.seal`."""
        nonce, salt = self._chance.randbytes(12), self._chance.randbytes(32)
        return self.seal_as(nonce, salt, payload, aad, commit(salt, payload, aad))

    def seal_as(self, nonce: bytes, salt: bytes, payload: bytes, aad: bytes, commitment: bytes) -> Sealed:
        """With any commitment, also one to something else."""
        inner = ev.SealedPayload(salt=salt, payload=payload).SerializeToString()
        ciphertext = FORMAT + nonce + AESGCM(self.raw).encrypt(nonce, inner, aad)
        return Sealed(ciphertext, sha256(ciphertext).digest(), commitment)


@dataclass
class Person:
    """One person's stream."""

    tenant: str
    stream: bytes
    key: SeededKey
    version: int = 0
    erased: int = 0
    """The position of the intent; 0 if there is none."""
    destroyed: int = 0
    """The position of the attestation that the key is gone; 0 if there is none."""
    erasure: bytes = b""


@dataclass
class MadeLog:
    """A log, with all that was ever sealed in it."""

    entries: list[Entry] = field(default_factory=list)
    persons: dict[bytes, Person] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many events."""
        return len(self.entries)

    def at(self, size: int) -> list[Entry]:
        """The first events, as the store held them when there were no more: ciphertexts of the erased are gone."""
        gone = {p.stream for p in self.persons.values() if 0 < p.destroyed <= size}
        return [replace(e, ciphertext=None) if e.stream in gone else e for e in self.entries[:size]]

    def hashes(self) -> list[bytes]:
        """The leaves' hashes."""
        return [leaf_hash(entry.leaf) for entry in self.entries]

    def keys(self) -> dict[bytes, bytes]:
        """The data keys that are not destroyed, by stream."""
        return {stream: person.key.raw for stream, person in self.persons.items() if not person.destroyed}


def made_log(chance: random.Random, size: int, *, tenants: Sequence[str] = TENANTS, erasures: float = 0.06) -> MadeLog:
    """A log of so many events. `erasures` is how likely an event is a step of one."""
    return _Maker(chance, tenants, erasures).make(size)


class _Maker:
    def __init__(self, chance: random.Random, tenants: Sequence[str], erasures: float) -> None:
        self._chance = chance
        self._tenants = tenants
        self._erasures = erasures
        self._log = MadeLog()
        self._catalogues: dict[str, int] = {}
        self._recorded_us = START_US

    def make(self, size: int) -> MadeLog:
        for tenant in self._tenants[:size]:
            self._catalogue(tenant)
        while self._log.size < size:
            self._step()
        return self._log

    def _step(self) -> None:
        chance, persons = self._chance, list(self._log.persons.values())
        living = [person for person in persons if not person.erased]
        if not living or chance.random() < 0.25:
            return self._opened()
        if chance.random() < self._erasures:
            ending = [person for person in persons if person.erased and not person.destroyed]
            return self._destroyed(chance.choice(ending)) if ending else self._erased(chance.choice(living))
        if chance.random() < 0.05:
            return self._catalogue(chance.choice(self._tenants))
        if chance.random() < 0.08:
            readable = [person for person in persons if not person.destroyed]
            return self._accessed(chance.choice(readable))
        return self._act(chance.choice(living))

    def _write(self, tenant: str, stream: bytes, version: int, type: str, **more: object) -> None:
        self._recorded_us += self._chance.randint(2, STEP_US)
        draft = Draft(
            tenant=tenant,
            stream=stream,
            version=version,
            position=self._log.size + 1,
            recorded_us=self._recorded_us,
            occurred_us=self._recorded_us - 5 if self._chance.random() < 0.3 else None,
            type=type,
            **more,  # type: ignore[arg-type]
        )
        self._log.entries.append(seal(draft))

    def _person(self, person: Person, type: str, header: ev.EventHeader, personal: bytes = b"") -> None:
        person.version += 1
        key = person.key if personal else None
        self._write(person.tenant, person.stream, person.version, type, header=header, personal=personal, key=key)

    def _catalogue(self, tenant: str) -> None:
        stream = sha256(tenant.encode()).digest()[:16]
        version = self._catalogues[tenant] = self._catalogues.get(tenant, 0) + 1
        header = ev.EventHeader(tenant_changed={"tenant": {"id": tenant, "display_name": "Ä", "version": version}})
        self._write(
            tenant, stream, version, "tenant.created.v1" if version == 1 else "tenant.updated.v1", header=header
        )

    def _opened(self) -> None:
        stream = self._chance.randbytes(16)
        person = Person(self._chance.choice(self._tenants), stream, SeededKey(self._chance))
        self._log.persons[stream] = person
        personal = ev.SubjectOpenedPersonal(subject={"namespace": "email", "id": stream.hex()}).SerializeToString()
        self._person(person, "subject.opened.v1", ev.EventHeader(subject_opened={}), personal)

    def _act(self, person: Person) -> None:
        chance = self._chance
        act = ev.Act(method="checkbox", jurisdiction="DE")
        personal = ev.ActPersonal(note=chance.randbytes(8).hex()).SerializeToString() if chance.random() < 0.5 else b""
        if chance.random() < 0.7:
            choice = chance.choice((ty.CHOICE_GRANT, ty.CHOICE_DENY))
            body = ev.ConsentRecorded(act=act, purpose=chance.choice(PURPOSES), choice=choice, notice_version="n-1")
            return self._person(person, "consent.recorded.v1", ev.EventHeader(consent_recorded=body), personal)
        body_of_withdrawal = ev.ConsentWithdrawn(act=act, purposes=chance.sample(PURPOSES, 2))
        header = ev.EventHeader(consent_withdrawn=body_of_withdrawal)
        return self._person(person, "consent.withdrawn.v1", header, personal)

    def _accessed(self, person: Person) -> None:
        header = ev.EventHeader(access_recorded={"person": person.stream, "method": "GetSubjectHistory"})
        self._person(person, "access.recorded.v1", header, ev.AccessPersonal(actor="auditor").SerializeToString())

    def _erased(self, person: Person) -> None:
        person.erasure = self._chance.randbytes(16)
        act = ev.Act(revoked_purposes=["*"])
        self._person(
            person, "subject.erased.v1", ev.EventHeader(subject_erased={"act": act, "erasure_id": person.erasure})
        )
        person.erased = self._log.size

    def _destroyed(self, person: Person) -> None:
        body = ev.KeyDestroyed(erasure_id=person.erasure, key_id=bytes(32), cleaned=["keystore", "log.ciphertexts"])
        self._person(person, "key.destroyed.v1", ev.EventHeader(key_destroyed=body))
        person.destroyed = self._log.size
