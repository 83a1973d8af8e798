"""P5 through kills: the process dies at each step of an erasure, and the next one finishes it. On both stores."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from consentledger.crypto.keyring import FileKeyring
from consentledger.errors import LedgerError
from consentledger.rpc.channel import call
from consentledger.v1 import events_pb2 as ev
from services.consent.eraser import STEPS
from tests.support.cluster import Service, prepare
from tests.support.consent import migrated
from tests.support.erasing import SALE, ended, erasing, grant, link, why, withdraw
from tests.support.places import sqlite_tables
from tests.support.postgres import External

pytestmark = pytest.mark.fault


@contextlib.asynccontextmanager
async def process(folder: Path, store: Sequence[str], *dying: str) -> AsyncIterator[Service]:
    """A consent service, which dies erasing if it is told to."""
    arguments = ["consent", "--data", str(folder / "data"), "--listen", "127.0.0.1:0", *store]
    made = Service("tests.support.replica" if dying else "services", [*dying, *arguments], {})
    try:
        await made.start()
        yield made
    finally:
        await made.end()


@contextlib.asynccontextmanager
async def store(kind: str, folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[Sequence[str]]:
    """Where the service is to keep what it has: options for its command line."""
    if kind == "sqlite":
        yield ()
        return
    server: External = request.getfixturevalue("postgres")
    url, keys = server.database(), server.database()
    await migrated(url, keys)
    FileKeyring.create(folder / "keyring.json")
    try:
        yield (
            "--store", url, "--keys", keys, "--keyring", str(folder / "keyring.json"),
            "--guard", f"file://{folder / 'guard'}", "--nats", "nats://127.0.0.1:1",
        )  # fmt: skip
    finally:
        server.drop(url)
        server.drop(keys)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_killed_at_any_step_an_erasure_is_finished_by_the_next_process(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, step: str
) -> None:
    async with store(kind, tmp_path, request) as options:
        async with process(tmp_path, options, "--die-at", step) as dying:
            await prepare(dying.address)
            for name in ("ada", "ben", "dee"):
                await grant(dying.stub, name, note="said by phone")
            await withdraw(dying.stub, "ben", SALE)
            await link(dying.stub, "ada", "ben")
            ending = erasing("ada", within=1)
            with contextlib.suppress(LedgerError):  # it may die before it has answered
                await call(dying.stub.EraseSubject, ending, 10)
            assert dying._process is not None
            assert await dying._process.wait() == 9
        async with process(tmp_path, options) as living:
            begun = (await call(living.stub.EraseSubject, ending, 10)).erasure
            done = await ended(living.stub, begun.erasure_id, 60)
            assert len(done.attestations) == 2 and done.suppressed
            assert [(r.downstream, r.reason) for r in done.recipients] == [("", "unreachable")]
            assert await why(living.stub, "ada") == "NOT_ALLOWED NO_RECORD"
            assert await why(living.stub, "ada", SALE, "US-CA") == "NOT_ALLOWED OBJECTED"
            assert await why(living.stub, "dee") == "ALLOWED GRANTED"
            assert living.defects == []
        if kind == "sqlite":
            nothing_sealed_is_left(tmp_path / "data")


def nothing_sealed_is_left(folder: Path) -> None:
    """Of the two who are gone; the third keeps all."""
    events = sqlite_tables(folder / "consent.db")["event"]
    leaves = [(ev.LedgerEntry.FromString(row[6]), row[7]) for row in events]
    gone = {leaf.stream for leaf, _ in leaves if leaf.type == "key.destroyed.v1"}
    assert len(gone) == 2
    sealed: dict[bool, list[Any]] = {True: [], False: []}
    for leaf, ciphertext in leaves:
        if leaf.commitment:
            sealed[leaf.stream in gone].append(ciphertext)
    assert sealed[True] and all(c is None for c in sealed[True])
    assert sealed[False] and all(c is not None for c in sealed[False])
    assert len(sqlite_tables(folder / "keys.db")["person_key"]) == 1
