"""Epochs end while services run: nobody notices, and nothing that a service remembers keeps an old key in use."""

import asyncio
import shutil
from pathlib import Path

import pytest

from consentledger.crypto.keyring import FileKeyring
from consentledger.crypto.provider import KeyUnavailable
from consentledger.rpc.channel import call
from consentledger.store.ledger import StoreUnavailable
from consentledger.store.open import migrate_keystore, open_keystore
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty
from services import person_keys
from services.consent.directory import Directory, wrap_aad
from tests.support.consent import NOTICE, TENANT, Ledger, clock, email, ledger, request_id
from tests.support.nats import eventually
from tests.support.people import People
from tests.support.postgres import External
from tests.support.sealers import write_passphrase
from tests.support.services import command, refused, services

UNREACHABLE = "nats://127.0.0.1:1"


async def nobody_unsettled(persons: object) -> set[bytes]:
    return set()


async def test_a_remembered_key_is_read_again_when_its_epoch_is_gone(store_url: str, tmp_path: Path) -> None:
    if store_url.startswith("postgresql"):
        await migrate_keystore(store_url)
    store = await open_keystore(store_url)
    try:
        ring = FileKeyring.create(tmp_path / "ring" / "keyring.json")
        maker, directory = (Directory(store, ring, clock, nobody_unsettled) for _ in range(2))
        [made] = await maker.ensure(TENANT, [email("ada")])
        directory.remember(TENANT, "email", "ada@example.org", made)

        operator = FileKeyring.open(tmp_path / "ring" / "keyring.json")
        operator.roll()
        await person_keys.rewrap(operator, store, lambda done: None)
        await person_keys.destroy_epoch(operator, store, 1, lambda done: None)
        [other] = await directory.ensure(TENANT, [email("grace")])
        assert other.wrapped[4] == 2, "whoever comes next is under the new epoch"
        with pytest.raises(KeyUnavailable):
            ring.unwrap(made.wrapped, wrap_aad(TENANT, made.person))

        [found] = await directory.ensure(TENANT, [email("ada")])
        assert (found.person, found.wrapped[4]) == (made.person, 2)
        names = await directory.identifiers(TENANT, [made.person], "email")
        assert names == {made.person: ["ada@example.org"]}
    finally:
        await store.close()


async def test_a_key_whose_epoch_is_gone_for_good_is_refused_and_not_made_anew(tmp_path: Path, store_url: str) -> None:
    if store_url.startswith("postgresql"):
        await migrate_keystore(store_url)
    store = await open_keystore(store_url)
    try:
        ring = FileKeyring.create(tmp_path / "ring" / "keyring.json")
        [made] = await Directory(store, ring, clock, nobody_unsettled).ensure(TENANT, [email("ada")])
        ring.roll()
        ring.destroy(1)
        with pytest.raises(KeyUnavailable):
            await Directory(store, ring, clock, nobody_unsettled).ensure(TENANT, [email("ada")])
        assert await store.wrapped([made.person]) == {made.person: made.wrapped}
    finally:
        await store.close()


async def test_a_key_added_at_the_last_moment_is_not_lost_with_its_epoch(store_url: str, tmp_path: Path) -> None:
    if store_url.startswith("postgresql"):
        await migrate_keystore(store_url)
    store = await open_keystore(store_url)
    try:
        operator = FileKeyring.create(tmp_path / "ring" / "keyring.json")
        copy = tmp_path / "copy.json"
        shutil.copy(tmp_path / "ring" / "keyring.json", copy)
        replica = Directory(store, FileKeyring.open(copy), clock, nobody_unsettled)
        operator.roll()
        await Directory(store, operator, clock, nobody_unsettled).ensure(TENANT, [email("ada")])
        raise_floor = store.epochs.raise_floor

        async def late(least: int) -> None:
            await replica.ensure(TENANT, [email("grace")])
            await raise_floor(least)

        store.epochs.raise_floor = late  # type: ignore[method-assign]
        with pytest.raises(person_keys.Refused, match="or an older one: 1;"):
            await person_keys.destroy_epoch(operator, store, 1, lambda done: None)
        store.epochs.raise_floor = raise_floor  # type: ignore[method-assign]
        assert operator.epochs == [1, 2]
        await person_keys.rewrap(operator, store, lambda done: None)
        await person_keys.destroy_epoch(operator, store, 1, lambda done: None)
        # A replica whose copy of the keyring is not the newest finds out before it can lose anybody's key.
        with pytest.raises(StoreUnavailable, match="not the newest"):
            await replica.ensure(TENANT, [email("hedy")])
        copy.unlink()
        shutil.copy(tmp_path / "ring" / "keyring.json", copy)
        [made] = await replica.ensure(TENANT, [email("hedy")])
        assert made.wrapped[4] == 2
    finally:
        await store.close()


async def test_an_epoch_ends_under_a_service_at_work_and_nothing_is_lost(tmp_path: Path, postgres: External) -> None:
    urls = postgres.database(), postgres.database()
    where = {"CONSENTLEDGER_KEYS": urls[1], "CONSENTLEDGER_KEYRING": str(tmp_path / "keyring.json")}

    async def operator(*words: str) -> str:
        done = await command("keys", *words, **where)
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        async with ledger(tmp_path, urls[0], UNREACHABLE, keys_url=urls[1]) as running:
            await record(running, "before")
            assert await running.keystore.epochs.wrapped_under() == {1: 1}
            people = People(running.consent, TENANT, 60, at_once=4)
            people.allowed = 0.3
            work = asyncio.create_task(people.run())
            await eventually(lambda: people.share >= 0.3 or work.done(), 60)
            await operator("roll")
            people.allowed = 0.6
            await operator("rewrap")
            people.allowed = 1.0
            await operator("rewrap")
            await operator("destroy-epoch", "1", "--yes")
            await work
            await record(running, "before")
            await record(running, "after")
            held = await running.keystore.epochs.wrapped_under()
            assert held == {2: 62}
        async with ledger(tmp_path, urls[0], UNREACHABLE, keys_url=urls[1], catalogue=False) as running:
            for name in ("before", "after"):
                await record(running, name)
            asked = au.GetSubjectHistoryRequest(tenant=TENANT, subject=email("before"))
            history = await call(running.audit.GetSubjectHistory, asked, 10)
            opened = [event.personal.note for event in history.events if event.personal.note]
            assert opened == ["of before"] * 3, "what was sealed under the old epoch opens, since the key is the same"
    finally:
        for url in urls:
            postgres.drop(url)


async def test_a_process_starts_with_what_seals_its_keyring_and_not_without(tmp_path: Path) -> None:
    write_passphrase(tmp_path / "passphrase", "correct horse battery")
    place = ("--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"))
    sealer = {"CONSENTLEDGER_KEYRING_SEALER": f"passphrase-file:{tmp_path / 'passphrase'}"}
    for _ in range(2):
        async with services(*place, **sealer) as process:
            process.terminate()
            assert await process.ended() == 0
    code, said = await refused(*place)
    assert code == 1 and "cannot start:" in said and "is sealed by passphrase-file" in said
    write_passphrase(tmp_path / "passphrase", "another passphrase")
    code, said = await refused(*place, **sealer)
    assert code == 1 and "cannot be unsealed" in said
    assert "Traceback" not in said and "another passphrase" not in said


async def record(running: Ledger, name: str) -> None:
    choice = cs.ConsentChoice(purpose="marketing.email", choice=ty.CHOICE_GRANT)
    request = cs.RecordConsentRequest(
        request_id=request_id(), tenant=TENANT, subject=email(name), choices=[choice], notice_version=NOTICE,
        context=ty.Context(jurisdiction="DE", note=f"of {name}"),
    )  # fmt: skip
    await call(running.consent.RecordConsent, request, 10)
