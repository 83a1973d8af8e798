"""An export of the real service, by the real command, checked by the real verifier."""

import asyncio
import json
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

from consentledger.crypto.keyring import FileKeyring
from consentledger.rpc.channel import call
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import tenant_service_pb2 as tenants
from services.consent.directory import wrap_aad
from tests.integration.test_watch import grant, head, withdraw
from tests.support import erasing
from tests.support.consent import Ledger, ledger, request_id
from tests.support.nats import nats_server

COMMAND = ("-c", "from consentledger.cli.main import run; run()")
EXPORT = ("audit", "export", "--json", "--out")
VERIFY = ("-m", "consentledger_verify", "export", "--json")


async def run(*arguments: str, code: int = 0) -> Any:
    """What a command prints, read if it is JSON."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(60):
        out, err = await child.communicate()
    assert child.returncode == code, (out.decode()[-3000:], err.decode()[-3000:])
    return json.loads(out) if "--json" in arguments else out


async def checkpoint(running: Ledger) -> bytes:
    found: au.GetCheckpointResponse = await call(running.audit.GetCheckpoint, au.GetCheckpointRequest(), 10)
    return found.checkpoint


async def data_keys(running: Ledger, folder: Path) -> dict[str, str]:
    """Every person's data key, as whoever runs the service could hand it to an auditor."""
    entries = await running.store.entries(0, 1_000)
    persons = {entry.stream: entry.tenant for entry in entries if entry.type == "subject.opened.v1"}
    provider = FileKeyring.open(folder / "keyring.json")
    wrapped = await running.keystore.wrapped(list(persons))
    raw = {person: provider.unwrap(key, wrap_aad(persons[person], person)) for person, key in wrapped.items()}
    return {person.hex(): b64encode(key).decode() for person, key in raw.items()}


async def other_tenant(running: Ledger) -> None:
    request = tenants.CreateTenantRequest(request_id=request_id())
    request.tenant.id = "other"
    await call(running.tenants.CreateTenant, request, 10)


async def test_what_is_recorded_can_be_verified_offline(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        for name in ("ada", "ben", "eve"):
            await grant(running, name)
        (tmp_path / "pin").write_bytes(await checkpoint(running))
        await withdraw(running, "ada")
        kept, server = await head(running), ("--server", running.address)
        proof = ("receipt", "get", str(kept), "--format", "tlog-proof", "--out", str(tmp_path / "mine"))
        await run(*COMMAND, *server, *proof)
        await other_tenant(running)
        await grant(running, "ben")
        keys = await data_keys(running, tmp_path)
        made = await run(*COMMAND, *server, *EXPORT, str(tmp_path / "all"), "--ciphertexts")
        part = ("--tenant", "other", "--from-position", "3")
        some = await run(*COMMAND, *server, *EXPORT, str(tmp_path / "one"), *part)
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    kept_outside = ["--vkey", made["vkeys"][-1], "--pin", str(tmp_path / "pin")]
    kept_outside += ["--receipt", str(tmp_path / "mine.tlog-proof")]
    told = await run(*VERIFY, str(tmp_path / "all"), *kept_outside, "--keys", str(tmp_path / "keys.json"))
    assert told["payloads_opened"] >= 3
    assert told["verdict"] == "ALL HOLDS" and told["events"] == made["last_position"] and told["redacted"] == 0
    assert (told["pins_and_receipts_held_against"], told["receipts_honoured"]) == (2, 1)
    told = await run(*VERIFY, str(tmp_path / "one"), *kept_outside)
    assert told["verdict"] == "ALL HOLDS" and told["events"] == some["last_position"] - 2
    assert 0 < told["redacted"] == some["redacted"] < told["events"]
    await run("-m", "consentledger_verify", "receipt", str(tmp_path / "mine.tlog-proof"), "--vkey", made["vkeys"][-1])


async def test_erased_persons_leave_every_proof_valid(tmp_path: Path, store_url: str) -> None:
    """While the erasure runs, and when it is over: what is sealed is gone, and nothing else."""
    told = erasing.Recipients(("mailer", erasing.SENT))
    async with erasing.running(tmp_path, store_url, told) as made:
        for name in ("ada", "ben", "cem"):
            await erasing.grant(made.consent, name)
        await erasing.link(made.consent, "ada", "ben")
        server, files = ("--server", made.address), [tmp_path / "under-way", tmp_path / "over"]
        proof = ("receipt", "get", str(await head(made)), "--format", "tlog-proof", "--out", str(tmp_path / "kept"))
        await run(*COMMAND, *server, *proof)
        begun = await erasing.erase(made.consent, "ada")
        await run(*COMMAND, *server, *EXPORT, str(files[0]), "--ciphertexts")
        told.obligations = (("mailer", erasing.ENFORCED),)
        await erasing.ended(made.consent, begun.erasure_id)
        await erasing.grant(made.consent, "ada")
        vkeys = (await run(*COMMAND, *server, *EXPORT, str(files[1]), "--ciphertexts"))["vkeys"]
    for file in files:
        kept = ("--vkey", vkeys[-1], "--receipt", str(tmp_path / "kept.tlog-proof"))
        told_by = await run(*VERIFY, str(file), *kept)
        assert (told_by["verdict"], told_by["problems"], told_by["cautions"]) == ("ALL HOLDS", [], [])
    assert files[1].read_bytes().count(b'"ct":') < files[0].read_bytes().count(b'"ct":')
