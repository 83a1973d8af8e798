"""The database itself refuses to change or lose an event, whoever asks; on SQLite and on PostgreSQL."""

import pytest

from consentledger.store.ledger import WriteRefused
from tests.support.stores import entry, opened, stream, write

UPDATES = (
    "position = 9", "tenant = 'b'", "stream = '\\x00'", "version = 9", "type = 'b'", "recorded_us = 9",
    "leaf = '\\x00'", "ciphertext = leaf", "ciphertext = NULL, version = 9",
)  # fmt: skip


@pytest.mark.parametrize("change", [f"UPDATE event SET {change}" for change in UPDATES] + ["DELETE FROM event"])
async def test_an_event_cannot_be_changed_or_deleted(store_url: str, change: str) -> None:
    async with opened(store_url) as store:
        if store.dialect == "sqlite":
            change = change.replace("'\\x00'", "x'00'")
        await write(store, entry(1))
        with pytest.raises(WriteRefused):
            async with store.write() as transaction:
                await transaction.executemany(f"{change} WHERE position = $1", [(1,)])
        assert await store.entries(0, 10) == [entry(1)]


async def test_an_event_cannot_be_replaced_or_truncated(store_url: str) -> None:
    async with opened(store_url) as store:
        await write(store, entry(1))
        replace_it = {
            "sqlite": "INSERT OR REPLACE INTO event VALUES (1, 'b', x'00', 1, 'b', 1, x'00', NULL)",
            "postgresql": "TRUNCATE event",
        }
        with pytest.raises(WriteRefused):
            async with store.write() as transaction:
                await transaction.executemany(replace_it[store.dialect], [()])
        assert await store.entries(0, 10) == [entry(1)]


async def test_erasure_may_remove_a_ciphertext_and_nothing_else(store_url: str) -> None:
    async with opened(store_url) as store:
        await write(store, entry(1), entry(2))
        async with store.write() as transaction:
            await transaction.executemany("UPDATE event SET ciphertext = NULL WHERE stream = $1", [(stream(1),)])
        assert await store.entries(0, 10) == [entry(1, ciphertext=None), entry(2, ciphertext=None)]
