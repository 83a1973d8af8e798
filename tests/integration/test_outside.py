"""The whole process and the commands: a witness process that is killed, tiles over HTTP and in a folder, and a witness
that hangs while people record what they agree to."""

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from consentledger.rpc.channel import call
from consentledger.tlog.keys import VerifierKey
from consentledger.tlog.policy import Policy
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty
from consentledger.witness.keyfile import WitnessKey
from tests.support.consent import NOTICE, TENANT, email, request_id
from tests.support.hanging import hanging
from tests.support.nats import eventually
from tests.support.services import ROOT, ServiceProcess, command, environment, refused, services
from tests.support.split import Stubs
from tests.support.tilesclient import TilesClient

OUTSIDE = {"CONSENTLEDGER_TILES": "127.0.0.1:0", "CONSENTLEDGER_ANCHOR_SECONDS": "1"}


def process(data: Path, **settings: str) -> Any:
    return services("--listen", "127.0.0.1:0", "--data", str(data), **OUTSIDE, **settings)


async def deny(stubs: Stubs, name: str) -> int:
    """Record a denial; its position."""
    choice = cs.ConsentChoice(purpose="marketing.email", choice=ty.CHOICE_DENY)
    request = cs.RecordConsentRequest(
        request_id=request_id(), tenant=TENANT, subject=email(name), choices=[choice], notice_version=NOTICE
    )
    return int((await call(stubs.consent.RecordConsent, request, 20)).states[0].position)


async def checkpoint(stubs: Stubs, log: str = "consent") -> au.GetCheckpointResponse:
    return await call(stubs.audit.GetCheckpoint, au.GetCheckpointRequest(log=log), 20)  # type: ignore[no-any-return]


@contextlib.asynccontextmanager
async def witness_process(folder: Path, vkeys: list[str], port: int = 0) -> AsyncIterator[tuple[Any, int]]:
    """`consentledger witness run` as its own process; (the process, its port)."""
    logs = [part for vkey in vkeys for part in ("--log", vkey)]
    program = str(Path(sys.executable).parent / "consentledger")
    running = await asyncio.create_subprocess_exec(
        program, "witness", "run", str(folder), *logs, "--listen", f"127.0.0.1:{port}",
        cwd=ROOT, env=environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert running.stdout is not None
        async with asyncio.timeout(60):
            said = (await running.stdout.readline()).decode()
        yield running, int(said.split()[-1])
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.wait()


async def test_a_witness_process_is_asked_killed_and_asked_again_and_all_of_it_verifies(tmp_path: Path) -> None:
    data, names = tmp_path / "data", ("consent", "notifier", "rights")
    async with process(data) as running:
        stubs = Stubs(running.address)
        await stubs.load_marketing()
        before = await checkpoint(stubs)
        assert (before.witnessed_size, before.witnessed_checkpoint) == (0, b"")
        vkeys = [(await checkpoint(stubs, name)).vkeys[-1] for name in names]
        await stubs.channel.close()
        running.terminate()
        assert await running.ended() == 0
    key = WitnessKey.create(tmp_path / "witness", "witness.example/w1").verifier
    policy = tmp_path / "policy"
    async with witness_process(tmp_path / "witness", vkeys) as (first, port):
        policy.write_text(f"witness w1 {key.vkey()} http://127.0.0.1:{port}\nquorum w1\n")
        async with process(data, CONSENTLEDGER_WITNESSES=str(policy)) as running:
            stubs = Stubs(running.address)

            async def witnessed(least: int) -> bool:
                return (await checkpoint(stubs)).witnessed_size >= least

            position = await deny(stubs, "first")
            await eventually(lambda: witnessed(position), 30)
            first.kill()
            await first.wait()
            position = await deny(stubs, "while the witness is dead")
            assert not await witnessed(position)
            async with witness_process(tmp_path / "witness", vkeys, port):
                await eventually(lambda: witnessed(position), 30)
                found = await checkpoint(stubs)
                own = [VerifierKey.parse(vkey) for vkey in found.vkeys]
                result = Policy.parse(policy.read_bytes()).verify(found.witnessed_checkpoint, own)
                assert result.checkpoint.size == found.witnessed_size >= position
                await eventually(partial(all_witnessed, stubs), 30)
            await tiles_over_http(running, stubs)
            await tiles_and_checkpoint_by_command(running, stubs, tmp_path)
            await stubs.channel.close()
    copies = list((data / "checkpoints").rglob("*.checkpoint"))
    assert len({path.parent for path in copies}) == 1, "of the one log that holds anything"


async def all_witnessed(stubs: Stubs) -> bool:
    head = await checkpoint(stubs)
    return head.witnessed_size == head.size


async def tiles_over_http(running: ServiceProcess, stubs: Stubs) -> None:
    """Every log's tiles are what its checkpoint says."""
    for name in ("consent", "notifier", "rights"):
        head = await checkpoint(stubs, name)
        client = TilesClient(running.events("tiles")[0]["port"], f"/{name}")
        assert await asyncio.to_thread(client.root, head.size) == head.root
        assert (await asyncio.to_thread(client.get, "tile/entries/000")).status == 403
        assert (await asyncio.to_thread(client.get, "checkpoint")).body == head.checkpoint
        client.close()


async def tiles_and_checkpoint_by_command(running: ServiceProcess, stubs: Stubs, folder: Path) -> None:
    """What the commands write and show is what the server says."""
    head, out, at = await checkpoint(stubs), folder / "tlog", ("--server", running.address)
    for written in (3, 2):  # one partial tile; the second time, only the checkpoint and the keys
        made = await command("audit", "tiles", "--out", str(out), "--json", *at)
        assert made.returncode == 0, made.stderr
        assert json.loads(made.stdout) == {"size": head.size, "written": written}
    assert (out / "checkpoint").read_bytes() == head.checkpoint
    assert (out / "vkey").read_text().split() == list(head.vkeys)
    assert not (out / "tile" / "entries").exists()
    text = await command("audit", "checkpoint", "--out", str(folder / "pin"), *at)
    assert text.returncode == 0, text.stderr
    shown = dict(re.findall(r"^(size|root|witnessed size) +(\w+) *$", text.stdout, re.MULTILINE))
    assert shown == {"size": str(head.size), "root": head.root.hex(), "witnessed size": str(head.witnessed_size)}
    assert (folder / "pin").read_bytes() == head.checkpoint and text.stdout.endswith(head.checkpoint.decode())


async def test_writes_are_acknowledged_while_a_witness_hangs(tmp_path: Path) -> None:
    key = WitnessKey.create(tmp_path / "witness", "witness.example/w1").verifier
    async with hanging() as hung:
        (tmp_path / "policy").write_text(f"witness w1 {key.vkey()} {hung.url}\nquorum w1\n")
        async with process(tmp_path / "data", CONSENTLEDGER_WITNESSES=str(tmp_path / "policy")) as running:
            stubs = Stubs(running.address)
            await stubs.load_marketing()

            async def acknowledged_meanwhile() -> bool:
                """Whether a write began and was answered while one and the same request to the witness hung."""
                before = hung.asked if hung.open else 0
                assert await deny(stubs, f"hanging-{request_id()}") > 0
                return 0 < before == hung.asked and hung.open > 0

            await eventually(acknowledged_meanwhile, 60)
            assert (await checkpoint(stubs)).witnessed_size == 0
            await stubs.channel.close()
            await eventually(lambda: hung.open > 0, 60)
            running.terminate()
            assert await running.ended() == 0, "it waits for no witness when it stops"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"CONSENTLEDGER_WITNESSES": "/nonexistent/policy"}, "the witness policy cannot be read"),
        ({"CONSENTLEDGER_WITNESSES": "README.md"}, "the witness policy: "),
        ({"CONSENTLEDGER_TSA": "http://127.0.0.1:1/"}, "CONSENTLEDGER_TSA_ROOTS"),
        ({"CONSENTLEDGER_TSA": "x", "CONSENTLEDGER_TSA_ROOTS": "README.md"}, "a URL begins with"),
        ({"CONSENTLEDGER_TILES": "0.0.0.0:0"}, "plaintext is allowed on loopback"),
        ({"CONSENTLEDGER_TILES": "127.0.0.1:99999"}, "127.0.0.1:99999 cannot be bound"),
        ({"CONSENTLEDGER_TILES_ENTRIES": "yes"}, "CONSENTLEDGER_TILES_ENTRIES is not a number"),
    ],
    ids=lambda value: "=".join(next(iter(value.items()))) if isinstance(value, dict) else None,
)
async def test_what_cannot_be_followed_is_said_at_start(tmp_path: Path, settings: dict[str, str], why: str) -> None:
    code, said = await refused("--listen", "127.0.0.1:0", "--data", str(tmp_path), **settings)
    assert code in (1, 2) and why in said.splitlines()[-1] and "Traceback" not in said
