"""Ciphertexts can be removed and nothing else, on every store; on SQLite they are gone from the files too."""

import os
from pathlib import Path

import pytest

from tests.support.stores import answer, entry, opened, stream, write


async def test_what_is_sealed_in_a_stream_goes_and_the_leaves_stay(store_url: str) -> None:
    async with opened(store_url) as store:
        await write(store, entry(1), entry(2, of=2, version=1), entry(3, version=2), answers=[answer(1, 1, 3)])
        head = await store.head()
        await store.erase_ciphertexts([stream(1)])
        assert await store.entries(0, 10) == [
            entry(1, ciphertext=None), entry(2, of=2, version=1), entry(3, version=2, ciphertext=None),
        ]  # fmt: skip
        assert await store.head() == head


async def test_erasing_twice_several_streams_or_none_does_no_harm(store_url: str) -> None:
    async with opened(store_url) as store:
        await write(store, entry(1), entry(2, of=2, version=1))
        await store.erase_ciphertexts([])
        assert await store.entries(0, 10) == [entry(1), entry(2, of=2, version=1)]
        for _ in range(2):
            await store.erase_ciphertexts([stream(1), stream(2), stream(3)])
            assert [e.ciphertext for e in await store.entries(0, 10)] == [None, None]


async def test_writing_goes_on_after_an_erasure(store_url: str) -> None:
    async with opened(store_url) as store:
        await write(store, entry(1))
        await store.erase_ciphertexts([stream(1)])
        await write(store, entry(2, version=2, ciphertext=None))
        assert (await store.head()).position == 2


@pytest.mark.parametrize("size", [40, 5_000, 60_000])
async def test_the_bytes_are_gone_from_the_files_of_sqlite(tmp_path: Path, size: int) -> None:
    sealed = {n: os.urandom(size) for n in range(1, 41)}
    async with opened(f"sqlite:///{tmp_path}/store.db") as store:
        for n, ciphertext in sealed.items():
            await write(store, entry(n, of=n % 4, version=1 + n // 4, ciphertext=ciphertext))
        assert all(present(tmp_path, c) for c in sealed.values()), "the search would have found nothing in any case"
        await store.erase_ciphertexts([stream(1)])
        assert (tmp_path / "store.db-wal").stat().st_size == 0
        gone = {n for n in sealed if n % 4 == 1}
        assert not any(present(tmp_path, sealed[n]) for n in gone)
        assert [e.ciphertext for e in await store.entries(0, 100)] == [None if n in gone else sealed[n] for n in sealed]


def present(folder: Path, value: bytes) -> bool:
    """Whether any piece of it is in any file: what is large is spread over pages."""
    files = [file.read_bytes() for file in folder.iterdir()]
    return any(value[at : at + 32] in file for at in range(0, len(value), 1_000) for file in files)
