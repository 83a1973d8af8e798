"""A log, its key store and its keyring: a service starts with those that belong together, and with no others."""

from pathlib import Path

import pytest

from consentledger.store.binding import DoNotFit
from tests.support.asking import grant, why
from tests.support.consent import ledger

UNREACHABLE = "nats://127.0.0.1:1"


async def test_a_service_starts_again_on_what_belongs_together(tmp_path: Path, store_url: str) -> None:
    async with ledger(tmp_path, store_url, UNREACHABLE) as running:
        await grant(running, "ada")
    async with ledger(tmp_path, store_url, UNREACHABLE, catalogue=False) as running:
        assert await why(running, "ada") == "ALLOWED GRANTED"


async def test_a_new_key_store_is_refused_instead_of_finding_nobody(tmp_path: Path, store_url: str) -> None:
    async with ledger(tmp_path, store_url, UNREACHABLE):
        pass
    with pytest.raises(DoNotFit):
        async with ledger(tmp_path, store_url, UNREACHABLE, keys_url=f"sqlite:///{tmp_path / 'new-keys.db'}"):
            pass


async def test_the_key_store_of_another_log_is_refused(tmp_path: Path, store_url: str) -> None:
    async with ledger(tmp_path, store_url, UNREACHABLE):
        pass
    with pytest.raises(DoNotFit):
        async with ledger(tmp_path, f"sqlite:///{tmp_path / 'other.db'}", UNREACHABLE):
            pass


async def test_another_keyring_is_refused(tmp_path: Path, store_url: str) -> None:
    async with ledger(tmp_path, store_url, UNREACHABLE):
        pass
    (tmp_path / "keyring.json").unlink()
    with pytest.raises(DoNotFit):
        async with ledger(tmp_path, store_url, UNREACHABLE):
            pass
