"""What fsck finds in a log: each class of difference, at its position, on both stores; nothing where all is well."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from consentledger.store.fsck.finding import Kind
from consentledger.store.fsck.keys import Keys
from consentledger.store.fsck.log import Checked, check_log, guarded
from consentledger.store.guard import Guarded
from consentledger.store.guard_file import FileGuard
from consentledger.store.ledger import SchemaTooOld, StoreUnavailable
from consentledger.store.open import open_keystore
from consentledger.store.reader import open_reader
from consentledger.store.schema import Migration, key_schema, log_schema
from tests.support.sealed_log import ERASED, SealedLog, entries_of, grow, sealed_log, tamper, write_key
from tests.support.stores import PROJECTION, opened, stream

PERSONS = 400
EVENTS = 3 * PERSONS + 2
FIRST_OF_ERASED = 3 * (ERASED - 1) + 1


async def checked(url: str, made: SealedLog) -> tuple[Checked, Keys]:
    """As the command does it."""
    schema = log_schema("consent", PROJECTION)
    now = await open_reader(url, schema, snapshot=False)
    reader = await open_reader(url, schema)
    keys_reader = await open_reader(made.keys_url, key_schema(), snapshot=False)
    guard = FileGuard(made.folder / "guard")
    try:
        found = Checked("consent")
        keys = Keys(keys_reader, now, found.findings)
        progress: list[tuple[int, int]] = []
        kept = await guarded(now, guard)
        await check_log(found, reader, kept, lambda done, of: progress.append((done, of)), [keys.take])
        await keys.finish()
        assert progress == sorted(progress), "progress goes forward"
        return found, keys
    finally:
        for one in (now, reader, keys_reader, guard):
            await one.close()


async def test_a_log_that_is_what_it_says_is_clean(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store, sealed_log(store, tmp_path, PERSONS) as made:
        found, keys = await checked(store_url, made)
    assert found.findings.clean, found.findings.firsts
    assert (found.head.position, found.guarded, found.streams) == (EVENTS, EVENTS, PERSONS)
    assert (keys.count, keys.orphans) == (PERSONS - 1, 0)


LEAF = b"another leaf"
CHANGES: list[tuple[str, Sequence[tuple[str, Sequence[Any]]], Kind, int]] = [
    ("a leaf", [("UPDATE event SET leaf = $1 WHERE position = 7", [LEAF])], Kind.LEAF_DIFFERS, 7),
    (
        "a leaf of the open tile",
        [("UPDATE event SET leaf = $1 WHERE position = $2", [LEAF, EVENTS])],
        Kind.ROOT_DIFFERS,
        EVENTS,
    ),
    ("a column: tenant", [("UPDATE event SET tenant = 'other' WHERE position = 9", [])], Kind.COLUMN_DIFFERS, 9),
    ("a column: type", [("UPDATE event SET type = 'other' WHERE position = 9", [])], Kind.COLUMN_DIFFERS, 9),
    ("a column: time", [("UPDATE event SET recorded_us = 1 WHERE position = 9", [])], Kind.TIME_NOT_INCREASING, 9),
    ("a column: stream", [("UPDATE event SET stream = $1 WHERE position = 9", [b"x" * 16])], Kind.COLUMN_DIFFERS, 9),
    ("a column: version", [("UPDATE event SET version = 9 WHERE position = 9", [])], Kind.STREAM_GAP, 9),
    ("no row", [("DELETE FROM event WHERE position = 300", [])], Kind.POSITION_GAP, 300),
    (
        "no row at the end",
        [("DELETE FROM event WHERE position = $1", [EVENTS])],
        Kind.POSITION_GAP,
        EVENTS,
    ),
    (
        "a shorter head",
        [("UPDATE log_head SET position = $1", [EVENTS - 1])],
        Kind.BEYOND_HEAD,
        EVENTS,
    ),
    ("a tile", [("UPDATE tile SET hashes = $1 WHERE number = 1", [bytes(8192)])], Kind.LEAF_DIFFERS, 257),
    ("no tile", [("DELETE FROM tile WHERE number = 1", [])], Kind.TILE_DIFFERS, 257),
    (
        "a tile too many",
        [("INSERT INTO tile (level, number, hashes) VALUES (0, 9, $1)", [bytes(8192)])],
        Kind.TILE_DIFFERS,
        EVENTS,
    ),
    ("the root", [("UPDATE log_head SET root = $1", [bytes(32)])], Kind.ROOT_DIFFERS, EVENTS),
    ("the edge", [("UPDATE log_head SET edge = $1", [bytes(32)])], Kind.ROOT_DIFFERS, EVENTS),
    ("the head's time", [("UPDATE log_head SET recorded_us = 1 << 50", [])], Kind.ROOT_DIFFERS, EVENTS),
    ("the epoch", [("UPDATE log_head SET epoch = 1", [])], Kind.NAME_DIFFERS, EVENTS),
    (
        "a ciphertext",
        [("UPDATE event SET ciphertext = $1 WHERE position = 4", [b"another"])],
        Kind.CIPHERTEXT_DIFFERS,
        4,
    ),
    (
        "a ciphertext where none is named",
        [("UPDATE event SET ciphertext = $1 WHERE position = 3", [b"another"])],
        Kind.CIPHERTEXT_DIFFERS,
        3,
    ),
    ("no ciphertext", [("UPDATE event SET ciphertext = NULL WHERE position = 4", [])], Kind.CIPHERTEXT_MISSING, 4),
    (
        "a ciphertext of somebody erased",
        [("UPDATE event SET ciphertext = $1 WHERE position = $2", [b"still here", FIRST_OF_ERASED])],
        Kind.CIPHERTEXT_LEFT,
        FIRST_OF_ERASED,
    ),
    (
        "an answer",
        [
            (
                "INSERT INTO answer (tenant, method, request_id, mac, stream, first, last, answer, recorded_us) "
                "VALUES ('acme', 'm', $1, $1, $1, 1, $2, $1, 1)",
                [b"i" * 16, EVENTS + 1],
            )
        ],
        Kind.ANSWER_OUTSIDE,
        0,
    ),
    ("the mark", [("UPDATE outbox_mark SET published = $1", [EVENTS + 1])], Kind.PROGRESS_AHEAD, EVENTS),
]


@pytest.mark.parametrize(("what", "statements", "kind", "position"), CHANGES, ids=[change[0] for change in CHANGES])
async def test_each_change_is_found_at_its_position(
    tmp_path: Path,
    store_url: str,
    what: str,
    statements: Sequence[tuple[str, Sequence[Any]]],
    kind: Kind,
    position: int,
) -> None:
    async with opened(store_url) as store, sealed_log(store, tmp_path, PERSONS) as made:
        for sql, args in statements:
            await tamper(store, sql, *args)
        found, _ = await checked(store_url, made)
    assert kind in found.findings.firsts, found.findings.firsts
    assert found.findings.firsts[kind].position == position


async def test_a_tree_of_several_levels_is_compared_on_each(tmp_path: Path, store_url: str) -> None:
    """65,536 leaves fill a tile of the second level."""
    async with opened(store_url) as store, sealed_log(store, tmp_path, 21_900) as made:
        assert (await checked(store_url, made))[0].findings.clean
        await tamper(store, "UPDATE tile SET hashes = $1 WHERE level = 1", bytes(8192))
        found, _ = await checked(store_url, made)
    assert {(f.kind, f.position) for f in found.findings.firsts.values()} == {(Kind.TILE_DIFFERS, 1)}
    assert found.findings.counts == {Kind.TILE_DIFFERS: 256}


async def test_two_versions_in_the_wrong_order_are_found(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store, sealed_log(store, tmp_path, 9) as made:
        for version, position in ((9, 1), (1, 2), (2, 1)):
            await tamper(store, f"UPDATE event SET version = {version} WHERE position = {position}")
        found, _ = await checked(store_url, made)
    assert found.findings.firsts[Kind.STREAM_ORDER].position == 1


@pytest.mark.parametrize(
    ("kept", "kind", "position"),
    [
        (Guarded(EVENTS + 1, b"r" * 32), Kind.BEHIND_GUARD, EVENTS),
        (None, Kind.GUARD_DIFFERS, 0),
    ],
)
async def test_a_log_that_is_not_its_guards_is_found(
    tmp_path: Path, store_url: str, kept: Guarded | None, kind: Kind, position: int
) -> None:
    async with opened(store_url) as store, sealed_log(store, tmp_path, PERSONS) as made:
        if kept is None:
            for file in (tmp_path / "guard").iterdir():
                file.unlink()
        else:
            guard = FileGuard(tmp_path / "guard")
            await guard.advance(made.log.notary.origin, kept)
            await guard.close()
        found, _ = await checked(store_url, made)
    assert {(f.kind, f.position) for f in found.findings.firsts.values()} == {(kind, position)}


async def test_another_history_than_the_guards_is_found_also_below_the_head(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store, sealed_log(store, tmp_path, PERSONS) as made:
        for file in (tmp_path / "guard").iterdir():
            file.unlink()
        guard = FileGuard(tmp_path / "guard")
        await guard.advance(made.log.notary.origin, Guarded(700, b"r" * 32))
        await guard.close()
        found, _ = await checked(store_url, made)
    assert {(f.kind, f.position) for f in found.findings.firsts.values()} == {(Kind.GUARD_DIFFERS, 700)}


async def test_keys_that_are_missing_left_or_nobodys_are_found(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store, sealed_log(store, tmp_path, PERSONS) as made:
        keystore = await open_keystore(made.keys_url)
        await keystore.remove([stream(77)])
        await keystore.close()
        for person in (ERASED, 1_000_000, 0):
            await write_key(made.keys_url, person)
        found, keys = await checked(store_url, made)
    places = {kind: finding.position for kind, finding in found.findings.firsts.items()}
    assert places == {Kind.KEY_MISSING: 3 * 77 + 2, Kind.KEY_LEFT: FIRST_OF_ERASED + 4}
    assert (keys.count, keys.orphans) == (PERSONS - 2 + 3, 2)


async def test_a_reader_sees_one_moment_beside_a_writer(tmp_path: Path, store_url: str) -> None:
    async with opened(store_url) as store, sealed_log(store, tmp_path, 9) as made:
        schema = log_schema("consent", PROJECTION)
        then, now = await open_reader(store_url, schema), await open_reader(store_url, schema, snapshot=False)
        try:
            position = "SELECT position FROM log_head"
            before = await then.fetch(position)
            await grow(made.log, entries_of(10, made.log.tree.size))
            assert await then.fetch(position) == before == [(29,)]
            assert await now.fetch(position) == [(32,)]
            with pytest.raises(StoreUnavailable, match=r"SQLITE_READONLY|25006"):
                await now.fetch("DELETE FROM outbox_mark")
        finally:
            await then.close()
            await now.close()


async def test_a_reader_makes_and_migrates_nothing(tmp_path: Path, store_url: str) -> None:
    schema = log_schema("consent", [*PROJECTION, Migration(2, "more", ())])
    if store_url.startswith("sqlite"):
        with pytest.raises(StoreUnavailable, match="there is no"):
            await open_reader(store_url, schema)
    else:
        with pytest.raises(SchemaTooOld):
            await open_reader(store_url, schema)
    async with opened(store_url):
        with pytest.raises(SchemaTooOld, match="projection 2"):
            await open_reader(store_url, schema)
