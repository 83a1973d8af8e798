"""Migrations: applied once, by whoever comes first; never skipped, and never expected of a service."""

import asyncio

import pytest

from consentledger.store.ledger import SchemaTooOld
from consentledger.store.open import migrate_keystore, migrate_store, open_keystore, open_store
from consentledger.store.schema import Migration
from tests.support.stores import PROJECTION, entry, opened, write

LATER = (*PROJECTION, Migration(2, "notes", ("ALTER TABLE tally ADD COLUMN note text",)))


async def test_migrating_again_changes_nothing(store_url: str) -> None:
    await migrate_store(store_url, "consent", PROJECTION)
    async with opened(store_url) as store:
        await write(store, entry(1))
        head = await store.head()
    await migrate_store(store_url, "consent", PROJECTION)
    async with opened(store_url) as store:
        assert await store.head() == head
        assert await store.entries(0, 10) == [entry(1)]


async def test_a_migration_keeps_what_is_there(store_url: str) -> None:
    async with opened(store_url) as store:
        await write(store, entry(1))
    async with opened(store_url, LATER) as store:
        assert await store.entries(0, 10) == [entry(1)]
        assert await store.read("SELECT note FROM tally") == []


async def test_older_code_opens_a_newer_schema(store_url: str) -> None:
    async with opened(store_url, LATER):
        pass
    async with opened(store_url, PROJECTION) as store:
        await write(store, entry(1))


async def test_a_failing_migration_leaves_nothing(store_url: str) -> None:
    broken = (*PROJECTION, Migration(2, "broken", ("CREATE TABLE half (x {int}) {table}", "CREATE NONSENSE")))
    async with opened(store_url):
        pass
    with pytest.raises(Exception, match="syntax error"):
        await migrate_store(store_url, "consent", broken)
    async with opened(store_url) as store:
        with pytest.raises(Exception, match="half"):
            await store.read("SELECT * FROM half")
        await write(store, entry(1))


async def test_migrations_must_be_numbered_without_a_gap(store_url: str) -> None:
    with pytest.raises(ValueError, match="numbered"):
        await migrate_store(store_url, "consent", (Migration(2, "second", ()),))


@pytest.mark.parametrize("service", ["", "Consent", "con sent", "consent; DROP SCHEMA public", "1st", "é"])
async def test_a_service_is_named_by_a_plain_identifier(store_url: str, service: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        await migrate_store(store_url, service, ())


async def test_postgresql_is_not_migrated_by_opening(postgres_url: str) -> None:
    with pytest.raises(SchemaTooOld, match="migration command"):
        await open_store(postgres_url, "consent", PROJECTION)
    with pytest.raises(SchemaTooOld, match="migration command"):
        await open_keystore(postgres_url)
    async with opened(postgres_url):
        with pytest.raises(SchemaTooOld, match=r"projection 2 \(notes\)"):
            await open_store(postgres_url, "consent", LATER)


async def test_services_have_schemas_of_their_own_in_one_database(postgres_url: str) -> None:
    for service in ("consent", "rights"):
        await migrate_store(postgres_url, service, PROJECTION)
    await migrate_keystore(postgres_url)
    async with opened(postgres_url) as consent:
        rights = await open_store(postgres_url, "rights", PROJECTION)
        try:
            await write(consent, entry(1))
            assert (await rights.head()).position == 0
            assert (await rights.head()).epoch != (await consent.head()).epoch
        finally:
            await rights.close()


async def test_migrations_at_the_same_time_are_applied_once(postgres_url: str) -> None:
    await asyncio.gather(*(migrate_store(postgres_url, "consent", LATER) for _ in range(6)))
    async with opened(postgres_url, LATER) as store:
        steps = await store.read("SELECT number FROM schema_version WHERE component = 'projection' ORDER BY number")
        assert steps == [(1,), (2,)]
        assert await store.read("SELECT count(*) FROM log_head") == [(1,)]
