"""P7: a personal value leaves its seal in no store, file, message, log line, error or audit output.

A canary stands in every personal field of every rpc's request, acceptable or not, and in paths that fail midway. Then
everything that the product has written is searched. The controls plant a canary in each kind of place.
"""

import base64
import io
import logging
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from consentledger import journal
from consentledger.bus.connection import Bus
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import consent_service_pb2 as cs
from tests.support import postgres as launcher
from tests.support.bad_fields import bad_fields
from tests.support.canary import BIRTH_DATE, CANARY, files, forms, leaks, patterns, personalise, rows
from tests.support.consent import TENANT, Ledger, ledger
from tests.support.failing_store import FailingStore, Failure, failing_stores
from tests.support.nats import eventually, nats_server
from tests.support.places import messages, postgres_files, postgres_tables, sqlite_tables
from tests.support.rpc_cases import MARK, RawCaller, example, rpcs, writes

OWN = ("ConsentService", "TenantService", "PurposeService", "AuditService")
FAILURES: tuple[Failure, ...] = ("not applied", "applied")
AUTHORISED = ("GetSubjectHistory", "ListAccesses", "ResolveIdentifiers")


@dataclass(slots=True)
class Said:
    """What callers were told, by kind, and the identifiers that were used."""

    refusals: bytes = b""
    answers: bytes = b""
    authorised: bytes = b""
    identifiers: set[str] = field(default_factory=set)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that the process logs, at the finest level."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    journal.configure("consent", "debug", stream)
    yield stream
    root.handlers[:], level = before
    root.setLevel(level)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[FailingStore]:
    """The stores that `ledger` opens, each of which can be told to fail."""
    return failing_stores(monkeypatch)


async def ask(call: RawCaller, said: Said, rpc: Any, raw: bytes) -> None:
    """One call, and whatever comes of it."""
    try:
        answer = await call(rpc, raw)
    except grpc.aio.AioRpcError as error:
        said.refusals += f"{error!r} {error.details()} {error.debug_error_string()}".encode()
        said.refusals += b" ".join(
            v if isinstance(v, bytes) else v.encode() for _, v in error.trailing_metadata() or ()
        )
    else:
        if rpc.name in AUTHORISED:
            said.authorised += answer
        else:
            said.answers += answer


async def exercise(running: Ledger, store: FailingStore) -> Said:
    """Every rpc with canaries: accepted, refused for each field, and while the store fails."""
    said, call = Said(), RawCaller(running.channel)
    for rpc in rpcs(*OWN):
        request: Any = example(rpc)
        said.identifiers |= {v for v in personalise(request, MARK) if "@" in v}
        if rpc.name == "ResolveIdentifiers":
            streams = await running.store.read("SELECT DISTINCT stream FROM event WHERE type = $1", "subject.opened.v1")
            request.persons[:] = [row[0] for row in streams]
        await ask(call, said, rpc, request.SerializeToString())
        for bad in bad_fields(rpc, request):
            await ask(call, said, rpc, bad.raw)
    for rpc in writes():
        for how in FAILURES:
            request = example(rpc)
            personalise(request, MARK)
            store.fail(how)
            await ask(call, said, rpc, request.SerializeToString())
    return said


async def break_table(running: Ledger, store_url: str, server: launcher.External | None) -> None:
    """Drop a table, so that a read of it is a defect inside the service."""
    if server is not None:
        server.run("DROP TABLE consent.preference", url=store_url)
        return
    connection = sqlite3.connect(store_url.removeprefix("sqlite:///"))
    connection.execute("DROP TABLE preference")
    connection.commit()
    connection.close()


async def audited(running: Ledger) -> bytes:
    """All that ReplayEvents and WatchConsent hand out."""
    found = b""
    async for chunk in running.audit.ReplayEvents(au.ReplayEventsRequest(tenant=TENANT), timeout=20):
        found += chunk.SerializeToString()
    head = (await running.store.head()).position
    watch = running.consent.WatchConsent(cs.WatchConsentRequest(tenant=TENANT, from_position=1), timeout=20)
    async for event in watch:
        found += event.SerializeToString()
        if event.position >= head or not event.HasField("entry"):
            break
    watch.cancel()
    return found


async def everything(
    folder: Path, running: Ledger, bus: Bus, nats_folder: Path, url: str, server: launcher.External | None
) -> list[tuple[str, bytes]]:
    """All that the product has written outside its own memory."""
    head = (await running.store.head()).position
    await eventually(lambda: running.service.carrier.published >= head)
    found = [*files(folder), *((f"nats/{name}", data) for name, data in files(nats_folder))]
    found += await messages(bus, "LEDGER")
    found += rows(sqlite_tables(folder / "keys.db"))
    if server is None:
        return [*found, *rows(sqlite_tables(folder / "store.db"))]
    return [*found, *rows(postgres_tables(server, url)), *postgres_files(server, url)]


def search(places: Iterable[tuple[str, bytes]], wanted: dict[str, bytes]) -> set[str]:
    """Every leak."""
    return {leak for place, data in places for leak in leaks(place, data, wanted)}


async def test_personal_values_are_nowhere_but_in_authorised_answers(
    tmp_path: Path, store_url: str, log: io.StringIO, failing: list[FailingStore], request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgres") if store_url.startswith("postgresql") else None
    async with nats_server() as nats:
        bus = await nats.bus()
        async with ledger(tmp_path, store_url, nats.url, bus=bus) as running:
            said = await exercise(running, failing[0])
            wanted = patterns(said.identifiers)
            assert len(said.identifiers) == 6
            assert failing[0].failures > 10
            places = await everything(tmp_path, running, bus, nats.directory, store_url, server)
            assert len(places) > 500
            places += [("replay and watch", await audited(running)), ("answers", said.answers)]
            await break_table(running, store_url, server)
            for rpc in rpcs("ConsentService"):
                if "Preferences" in rpc.name:
                    broken = example(rpc)
                    personalise(broken, MARK)
                    await ask(RawCaller(running.channel), said, rpc, broken.SerializeToString())
            assert b"INTERNAL" in said.refusals and "rpc.internal" in log.getvalue()
            places += [("refusals", said.refusals), ("log", log.getvalue().encode())]
            places += [("metrics", repr(running.server.guard.metrics.methods).encode())]
    places += files(tmp_path)  # closed: the write-ahead logs folded in
    places += postgres_files(server, store_url) if server is not None else ()
    places += [("log of shutting down", log.getvalue().encode())]
    assert search(places, wanted) == set()
    assert MARK.encode() not in said.refusals and MARK not in log.getvalue()
    for value in (
        *said.identifiers,
        BIRTH_DATE,
        f"{CANARY}-ip",
        f"{CANARY} agent",
        f"{CANARY} note",
        f"{CANARY} reason",
        f"{CANARY}-actor",
    ):
        assert value.encode() in said.authorised, "the search above would have found nothing in any case"


@pytest.mark.parametrize("value", [CANARY, BIRTH_DATE])
@pytest.mark.parametrize("before", range(4))
def test_the_search_finds_every_form_wherever_it_stands(value: str, before: int) -> None:
    text = b"#" * before + value.encode() + b"@example.org"
    planted = {
        "raw": text,
        "hex": text.hex().encode(),
        "HEX": text.hex().upper().encode(),
        "capitals": text.upper(),
        "UTF-16LE": text.decode().encode("utf-16-le"),
        "UTF-16BE": text.decode().encode("utf-16-be"),
        f"base64 +{before % 3}": base64.b64encode(text),
    }
    assert set(planted) <= set(forms(value))
    name = "canary" if value == CANARY else "birth date"
    for form, data in planted.items():
        assert f"x: {name} {form}" in leaks("x", data, patterns())
    assert leaks("x", b"nothing here", patterns()) == []


async def test_the_search_finds_what_is_planted_in_each_kind_of_place(
    tmp_path: Path, store_url: str, log: io.StringIO, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgres") if store_url.startswith("postgresql") else None
    async with nats_server() as nats:
        bus = await nats.bus()
        async with ledger(tmp_path, store_url, nats.url, bus=bus, catalogue=False) as running:
            if server is not None:
                server.run("CREATE TABLE consent.planted (value text)", url=store_url)
                server.run("INSERT INTO consent.planted VALUES ($1)", f"{CANARY}-table", url=store_url)
            else:
                plant_in_sqlite(tmp_path / "store.db")
            plant_in_sqlite(tmp_path / "keys.db")
            (nats.directory / "planted").write_text(CANARY)
            journal.get("test").error("mistake", reason=f"{CANARY}-log")
            head = (await running.store.head()).position
            await eventually(lambda: running.service.carrier.published >= head)
            await bus.request("ledger.consent.default.planted", f"{CANARY}-message".encode())
            places = [("log", log.getvalue().encode())]
            places += [*files(tmp_path), *((f"nats/{name}", data) for name, data in files(nats.directory))]
            places += [*await messages(bus, "LEDGER"), *rows(sqlite_tables(tmp_path / "keys.db"))]
            places += rows(sqlite_tables(tmp_path / "store.db")) if server is None else ()
            if server is not None:
                places += [*rows(postgres_tables(server, store_url)), *postgres_files(server, store_url)]
    found = {leak.rpartition(": ")[0] for leak in search(places, patterns())}
    kinds = {"log", "nats/planted", "stream LEDGER", "keys.db-wal", "table planted"}
    assert kinds <= found, f"not found in {kinds - found}"
    own = {place for place in found if place.startswith("data/base/")} if server is not None else {"store.db-wal"}
    assert own and own <= found


def plant_in_sqlite(path: Path) -> None:
    """A row that stays in the write-ahead log, as what a service writes does."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("CREATE TABLE planted (value text)")
    connection.execute("INSERT INTO planted VALUES (?)", (f"{CANARY}-table",))
    connection.commit()
    connection.close()
