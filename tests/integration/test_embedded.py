"""`python -m services` with nothing but a folder: it starts, drains, survives SIGKILL, keeps to its folder.

What a process left behind is read from its files when it is gone, by the same code that would open them.
"""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from consentledger.bus.connection import connect
from consentledger.bus.embedded import EmbeddedNats
from consentledger.bus.streams import stream_state
from consentledger.crypto.keyring import FileKeyring
from consentledger.errors import LedgerError, Reason
from consentledger.rpc.channel import call
from consentledger.rpc.health import LIVENESS, READINESS
from consentledger.store.open import open_store
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import tenant_service_pb2 as ts
from consentledger.v1 import types_pb2 as ty
from services.embedded import MIGRATIONS
from tests.support.consent import NOTICE, TENANT, email, request_id
from tests.support.nats import eventually
from tests.support.services import alive, group, health, refused, services
from tests.support.split import Stubs

ROWS = 1000
QUESTION = cs.CheckConsentRequest(
    tenant=TENANT, subject=email("embedded"), purpose="marketing.email", jurisdiction="DE"
)


def embedded(data: Path, **settings: Any) -> Any:
    return services("--listen", "127.0.0.1:0", "--data", str(data), **settings)


def nats_pid(data: Path) -> int:
    return int((data / "nats" / "nats.pid").read_text())


async def grant(stubs: Stubs) -> None:
    choice = cs.ConsentChoice(purpose="marketing.email", choice=ty.CHOICE_GRANT)
    request = cs.RecordConsentRequest(
        request_id=request_id(), tenant=TENANT, subject=QUESTION.subject, choices=[choice], notice_version=NOTICE
    )
    await call(stubs.consent.RecordConsent, request, 10)


async def heads(data: Path) -> dict[str, int]:
    """The head of each log, read from its file."""
    found = {}
    for name, migrations in MIGRATIONS.items():
        store = await open_store(f"sqlite:///{data / name}.db", name, migrations)
        found[name] = (await store.head()).position
        await store.close()
    return found


async def carried(data: Path) -> dict[str, int]:
    """The last sequence of each log's stream, read by a server that nobody publishes to."""
    key = FileKeyring.open(data / "keyring.json").derive("nats.jetstream", 32)
    found = {}
    async with EmbeddedNats(data / "nats", key) as server:
        bus = await connect(server.url, "test", user=server.user, password=server.password)
        for name, stream in (("consent", "LEDGER"), ("notifier", "LEDGER_NOTIFIER"), ("rights", "LEDGER_RIGHTS")):
            state = await stream_state(bus, stream)
            assert state is not None, stream
            found[name] = state.last
        await bus.close()
    return found


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.168.1.20:50051", "ledger.example:50051"])
async def test_plaintext_that_other_machines_could_reach_is_refused(tmp_path: Path, address: str) -> None:
    code, said = await refused("--listen", address, "--data", str(tmp_path))
    assert code == 1
    assert "cannot start: plaintext is allowed on loopback and unix sockets only" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("--store", "mysql://user:hunter2@h/d"), 1, "a store's URL begins with"),
        (("--store", "postgresql://user:hunter2@127.0.0.1:1/d"), 1, "PostgreSQL cannot be reached"),
        (("--keyring", "/nonexistent/keyring"), 1, "/nonexistent/keyring cannot be read"),
        (("--data", "/dev/null"), 1, "/dev/null"),
        (("--listen", "unix:/nonexistent/socket"), 1, "cannot be bound"),
        (("--log-level", "chatty"), 2, "no such log level"),
        (("billing",), 2, "no such service: billing"),
    ],
)
async def test_what_cannot_be_is_refused_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, why: str
) -> None:
    if "--store" in arguments:
        keyring = tmp_path / "shared.json"
        FileKeyring.create(keyring)
        arguments = (*arguments, "--keys", f"sqlite:///{tmp_path}/keys.db", "--keyring", str(keyring))
        arguments += ("--guard", f"file://{tmp_path}/guard")
    found, said = await refused("--listen", "127.0.0.1:0", "--data", str(tmp_path), *arguments)
    assert found == code
    assert why in said.splitlines()[-1]
    assert "Traceback" not in said and "hunter2" not in said


async def test_sigterm_finishes_what_was_begun_carries_all_of_it_and_leaves_nothing_running(tmp_path: Path) -> None:
    async with embedded(tmp_path) as process:
        stubs, watcher = Stubs(process.address), Stubs(process.address)
        await stubs.load_marketing()
        server = nats_pid(tmp_path)
        rows: asyncio.Queue[bool] = asyncio.Queue()

        async def batches() -> Any:
            for n in range(2):
                await rows.get()
                yield cs.ImportConsentsRequest(tenant=TENANT, rows=[row(n, k) for k in range(ROWS)])

        begun = asyncio.ensure_future(call(stubs.consent.ImportConsents, batches(), 60))
        rows.put_nowait(True)
        history = ts.GetTenantRequest(tenant=TENANT)
        await eventually(lambda: imported(stubs), 30)
        assert not begun.done(), "the import waits for its second batch"
        process.terminate()

        async def draining() -> bool:
            return await health(process.address, READINESS) == "NOT_SERVING"

        await eventually(draining, 10)
        assert await health(process.address, LIVENESS) == "SERVING"
        with pytest.raises(LedgerError) as refusal:
            await call(watcher.tenants.GetTenant, history, 10)
        assert refusal.value.reason is Reason.SHUTTING_DOWN
        rows.put_nowait(True)
        assert (await begun).written == 2 * ROWS
        assert await process.ended() == 0
        assert not alive(server)
        assert group(process.pid) == []
        await stubs.channel.close()
        await watcher.channel.close()
    found = await heads(tmp_path)
    assert found["consent"] > 4 * ROWS, "a person's first event, and the act"
    assert await carried(tmp_path) == found


def row(batch: int, number: int) -> cs.ImportRow:
    """A denial by somebody new."""
    act = cs.ImportRow(
        request_id=request_id(), subject=email(f"row-{batch}-{number}"),
        consent=cs.ConsentChoice(purpose="marketing.email", choice=ty.CHOICE_DENY),
    )  # fmt: skip
    act.occurred_at.FromSeconds(1_700_000_000)
    return act


async def imported(stubs: Stubs) -> bool:
    """Whether the last row of the first batch is there."""
    question = cs.GetConsentStateRequest(tenant=TENANT, subject=email(f"row-0-{ROWS - 1}"))
    return len((await call(stubs.consent.GetConsentState, question, 10)).states) > 0


async def test_sigkill_leaves_no_server_behind_and_the_same_folder_starts_again(tmp_path: Path) -> None:
    async with embedded(tmp_path) as process:
        stubs = Stubs(process.address)
        await stubs.load_marketing()
        await grant(stubs)
        before = await call(stubs.consent.CheckConsent, QUESTION, 10)
        await stubs.channel.close()
        server = nats_pid(tmp_path)
        await process.kill()
        await eventually(lambda: not alive(server), 10)
        assert group(process.pid) == []
        await process.start()
        stubs = Stubs(process.address)
        after = await call(stubs.consent.CheckConsent, QUESTION, 10)
        assert (after.decision, after.position) == (ty.DECISION_ALLOWED, before.position)
        await stubs.channel.close()


async def test_a_second_process_on_the_same_folder_is_refused_and_disturbs_nobody(tmp_path: Path) -> None:
    async with embedded(tmp_path) as process:
        for names, why in (((), "another process runs the server"), (("rights",), "another process runs the server")):
            code, said = await refused(*names, "--listen", "127.0.0.1:0", "--data", str(tmp_path))
            assert code == 1
            assert f"cannot start: {why}" in said and "Traceback" not in said
        port = process.address.rpartition(":")[2]
        code, said = await refused("--listen", f"127.0.0.1:{port}", "--data", str(tmp_path / "other"))
        assert code == 1
        assert "cannot be bound" in said and "Traceback" not in said
        assert await health(process.address) == "SERVING"
        assert alive(nats_pid(tmp_path))


@pytest.mark.fault
async def test_a_killed_server_comes_back_by_itself_and_publishing_goes_on(tmp_path: Path) -> None:
    async with embedded(tmp_path) as process:
        stubs = Stubs(process.address)
        await stubs.load_marketing()
        killed = nats_pid(tmp_path)
        os.kill(killed, signal.SIGKILL)
        await grant(stubs)
        await eventually(lambda: [e["status"] for e in process.events("nats")][-2:] == ["died", "started"], 20)
        login = json.loads((tmp_path / "nats.json").read_text())
        bus = await connect(login["url"], "test", user=login["user"], password=login["password"])
        allowed = await call(stubs.consent.CheckConsent, QUESTION, 10)
        assert allowed.decision == ty.DECISION_ALLOWED

        async def published() -> bool:
            state = await stream_state(bus, "LEDGER")
            return state is not None and state.last == allowed.position

        await eventually(published, 20)
        assert nats_pid(tmp_path) != killed and not alive(killed)
        await bus.close()
        await stubs.channel.close()


async def test_nothing_is_written_outside_the_folder_and_nothing_there_is_for_others(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    elsewhere.mkdir()
    home = {"HOME": str(elsewhere), "TMPDIR": str(elsewhere), "XDG_CONFIG_HOME": str(elsewhere)}
    async with embedded(data, cwd=elsewhere, **home) as process:
        stubs = Stubs(process.address)
        await stubs.load_marketing()
        await grant(stubs)
        await stubs.channel.close()
        opened = {path for pid in (process.pid, nats_pid(data)) for path in written_by(pid)}
        assert {path for path in opened if path.suffix == ".db"} >= {data / f"{name}.db" for name in MIGRATIONS}
        assert {path for path in opened if data not in path.parents} == set()
        process.terminate()
        assert await process.ended() == 0
    assert list(elsewhere.iterdir()) == []
    assert data.stat().st_mode & 0o077 == 0


def written_by(pid: int) -> set[Path]:
    """The files that a process holds open to write to."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target, flags = entry.readlink(), Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text()
        except FileNotFoundError:
            continue
        mode = int(flags.split("flags:")[1].split()[0], 8) & os.O_ACCMODE
        if target.is_file() and mode != os.O_RDONLY:
            found.add(target)
    return found
