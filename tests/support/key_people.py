"""A key store with people in it, as the consent service makes them: for tests of keys, epochs and backups."""

import asyncio
import contextlib
import os
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from consentledger.crypto.keyring import FileKeyring
from consentledger.crypto.provider import KeyUnavailable
from consentledger.store.keystore import KeyStore, NewPerson
from consentledger.store.open import migrate_keystore, open_keystore
from services.consent.directory import wrap_aad

T = TypeVar("T")
TENANT = "acme"


def with_keystore(url: str, work: Callable[[KeyStore], Awaitable[T]]) -> T:
    """Open the key store, do something, close it."""

    async def opened() -> T:
        if not url.startswith("sqlite:"):
            await migrate_keystore(url)
        store = await open_keystore(url)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(opened())


def add_people(url: str, ring: FileKeyring, count: int) -> list[bytes]:
    """So many new people; their UUIDs."""
    people = [uuid.uuid4().bytes for _ in range(count)]
    new = [
        NewPerson(TENANT, os.urandom(32), one, ring.wrap(os.urandom(32), wrap_aad(TENANT, one)), "email", b"sealed", 5)
        for one in people
    ]
    with_keystore(url, lambda store: store.create(new))
    return people


def remove_people(url: str, people: Sequence[bytes]) -> None:
    """What erasure does here."""
    with_keystore(url, lambda store: store.remove(people))


def opening(url: str, ring: FileKeyring, people: Sequence[bytes]) -> int:
    """How many of these people's keys open."""
    wrapped = with_keystore(url, lambda store: store.wrapped(people))
    count = 0
    for person, key in wrapped.items():
        with contextlib.suppress(KeyUnavailable):
            count += len(ring.unwrap(key, wrap_aad(TENANT, person))) == 32
    return count
