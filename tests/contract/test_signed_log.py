"""A log with its tree and its notary: what is signed, what is proven, and which rows are refused."""

import asyncio
from pathlib import Path

import pytest

from consentledger.store import prover
from consentledger.store.ledger import NotAsSigned
from consentledger.store.logtree import LogDamaged
from consentledger.store.receipts import receipts
from consentledger.tlog.checkpoint import parse_checkpoint
from consentledger.tlog.hashing import EMPTY_ROOT, leaf_hash
from consentledger.tlog.note import VerifierKey, open_note
from consentledger.tlog.proofs import verify_consistency, verify_inclusion
from tests.support.signed import NAME, grow, log_of, root
from tests.support.stores import entry, opened, write


async def test_a_checkpoint_covers_everything_committed_and_its_signature_holds(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store, log_of(store, tmp_path) as log:
        for more in (0, 1, 3, 252, 1, 300, 700):
            if more:
                await grow(log, more)
            made = await log.checkpoint()
            key = VerifierKey.parse(log.notary.vkeys[-1])
            checkpoint = parse_checkpoint(open_note(made.note, [key]).text)
            head = await store.head()
            assert (checkpoint.size, checkpoint.root) == (head.position, root(head.position)) == (made.size, made.root)
            assert checkpoint.origin == f"{NAME}/consent/{head.epoch:016x}"


async def test_every_leaf_and_every_earlier_tree_has_its_proof(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store, log_of(store, tmp_path) as log:
        sizes = (1, 5, 250, 256, 257, 511, 512, 600, 1100)
        for size in sizes:
            await grow(log, size - log.tree.size)
        last = sizes[-1]
        for size in (1, 2, 255, 256, 257, 600, last):
            for index in {0, 1, 254, 255, 256, size // 2, size - 1} & set(range(size)):
                proof = await log.prover.inclusion(index, size)
                verify_inclusion(index, size, leaf_hash(b"leaf %d" % (index + 1)), proof, root(size))
            verify_consistency(size, last, root(size), root(last), await log.prover.consistency(size, last))
            assert (await log.prover.edge(size)).root() == root(size)


async def test_reopening_finds_the_same_tree(tmp_path: Path, store_url: str) -> None:
    for size in (1, 255, 256, 257, 700):
        async with opened(store_url) as store:
            async with log_of(store, tmp_path) as log:
                await grow(log, size - log.tree.size)
                before = log.tree.now
                note = (await log.checkpoint()).note
            async with log_of(store, tmp_path) as log:
                assert log.tree.now == before
                assert (await log.checkpoint()).note == note


async def test_replicas_follow_each_other_by_the_rows(tmp_path: Path, postgres_url: str) -> None:
    async with (
        opened(postgres_url) as one,
        opened(postgres_url) as other,
        log_of(one, tmp_path) as left,
        log_of(other, tmp_path) as right,
    ):
        for turn in range(1, 12):
            await grow((left, right)[turn % 2], turn * 7)
            assert (await left.checkpoint()).root == (await right.checkpoint()).root == root(left.tree.size)
        assert left.tree.size == right.tree.size == 462


async def test_a_tree_made_for_a_log_from_before_is_the_same(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store:
        await write(store, *(entry(n) for n in range(1, 601)))
        async with store.write() as tx:
            await tx.executemany("UPDATE log_head SET root = $1, edge = $2", [(EMPTY_ROOT, b"")])
        async with log_of(store, tmp_path) as log:
            assert log.tree.now.root == root(600)
            assert await store.read("SELECT count(*) FROM tile") == [(2,)]
            await grow(log, 1)


@pytest.mark.parametrize("change", ["leaf", "tile", "root", "edge", "lost row", "lost tile"])
async def test_rows_that_are_not_what_was_signed_are_refused_at_start(
    tmp_path: Path, store_url: str, change: str
) -> None:
    statements = {
        "leaf": [("UPDATE event SET leaf = $1 WHERE position = 520", b"another")],
        "tile": [("UPDATE tile SET hashes = $1 WHERE number = 1", bytes(8192))],
        "root": [("UPDATE log_head SET root = $1", bytes(32))],
        "edge": [("UPDATE log_head SET edge = $1", bytes(64))],
        "lost row": [("DELETE FROM event WHERE position = 520 AND leaf <> $1", b"")],
        "lost tile": [("DELETE FROM tile WHERE number = 1 AND hashes <> $1", b"")],
    }
    async with opened(store_url) as store:
        async with log_of(store, tmp_path) as log:
            await grow(log, 520)
        async with store.write() as tx:
            if store.dialect == "postgresql":
                await tx.executemany("ALTER TABLE event DISABLE TRIGGER ALL", [()])
            else:
                await tx.executemany("DROP TRIGGER event_update", [()])
                await tx.executemany("DROP TRIGGER event_delete", [()])
            for sql, value in statements[change]:
                await tx.executemany(sql, [(value,)])
        with pytest.raises(LogDamaged):
            async with log_of(store, tmp_path):
                pass


async def test_a_keyring_that_signs_with_another_key_is_refused(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store:
        async with log_of(store, tmp_path):
            pass
        (tmp_path / "keyring.json").unlink()
        with pytest.raises(NotAsSigned, match="keyring"):
            async with log_of(store, tmp_path):
                pass


async def test_proofs_need_no_more_than_they_have_read(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few tiles are kept, and whoever reads others meanwhile."""
    monkeypatch.setattr(prover, "KEPT", 1)
    async with opened(store_url) as store, log_of(store, tmp_path) as log:
        await grow(log, 2_000)

        async def proven(index: int) -> None:
            proof = await log.prover.inclusion(index, 2_000)
            verify_inclusion(index, 2_000, leaf_hash(b"leaf %d" % (index + 1)), proof, log.tree.now.root)

        await asyncio.gather(*(proven(index) for index in range(0, 2_000, 97)))


async def test_an_event_that_was_changed_gets_no_receipt(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store, log_of(store, tmp_path) as log:
        await grow(log, 300)
        assert len(await receipts(log, 7, 7, "acme")) == 1
        async with store.write() as tx:
            if store.dialect == "postgresql":
                await tx.executemany("ALTER TABLE event DISABLE TRIGGER ALL", [()])
            else:
                await tx.executemany("DROP TRIGGER event_update", [()])
            await tx.executemany("UPDATE event SET leaf = $1 WHERE position = 7", [(b"another",)])
        with pytest.raises(LogDamaged, match="the event at 7 "):
            await receipts(log, 7, 7, "acme")
