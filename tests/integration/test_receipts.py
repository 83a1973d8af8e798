"""Receipts of the real services: fetched by the command, valid, proven, and good enough to move to another tenant."""

import asyncio
import json
from pathlib import Path
from typing import Any

from consentledger.receipts.proof import extract
from consentledger.rpc.channel import call
from consentledger.tlog.hashing import leaf_hash
from consentledger.tlog.keys import VerifierKey
from consentledger.tlog.prooffile import verify_proof
from consentledger.v1 import audit_service_pb2 as au
from tests.support.consent import CATALOGUE, NOTICE, TENANT
from tests.support.receipts import CONTROLLER
from tests.support.schemas import errors
from tests.support.services import ServiceProcess, command, services
from tests.support.split import Stubs

ADA = "email:ada.receipt@example.org"
PURPOSE = "marketing.email"
KEPT = ("purpose", "choice", "notice_version", "explicit", "expires_at", "purposes")
COLLECTED = ("method", "jurisdiction", "language", "collector", "age_band")


async def run(process: ServiceProcess, *arguments: str, code: int = 0) -> str:
    """The command's stdout."""
    done = await command("--server", process.address, *arguments)
    assert done.returncode == code, done.stderr
    return done.stdout


async def told(process: ServiceProcess, tenant: str = TENANT) -> list[dict[str, Any]]:
    """The person's choices, withdrawals and objections, oldest first: position, time, and what was collected."""
    history = json.loads(await run(process, "history", ADA, "--tenant", tenant, "--json"))
    acts = []
    for event in history["events"]:
        header = event["entry"]["header"]
        if not header.keys() & {"consent_recorded", "consent_withdrawn", "objection_recorded"}:
            continue
        [(kind, body)] = header.items()
        acts.append(
            {"position": int(event["position"]), "kind": kind, "occurred_at": event["occurred_at"]}
            | {name: body[name] for name in KEPT if name in body}
            | {name: body["act"][name] for name in COLLECTED}
        )
    return acts


async def test_a_person_takes_their_receipts_to_another_tenant_and_nothing_is_lost(tmp_path: Path) -> None:
    controller = tmp_path / "controller"
    controller.write_text(json.dumps(CONTROLLER))
    async with services("--listen", "127.0.0.1:0", "--data", str(tmp_path / "data")) as process:
        await run(process, "tenants", "create", "copy", "--display-name", "Copy")
        for what in ("purposes", "notices"):
            load = (what, "load", str(CATALOGUE / f"{what}.json"))
            await asyncio.gather(run(process, *load), run(process, *load, "--tenant", "copy"))
        collected = ("--method", "signed-form", "--jurisdiction", "DE", "--language", "de-AT", "--collector", "shop")
        grant = ("record", ADA, PURPOSE, "--notice", NOTICE, "--explicit", "--expires", "2031-01-31T00:00:00.5Z")
        await run(process, *grant, "--age-band", "adult", *collected)
        await run(process, "record", ADA, "marketing.sms", "--deny", "--notice", NOTICE)
        await run(process, "withdraw", ADA, PURPOSE, "marketing.sms", *collected)
        await run(process, "object", ADA, "marketing.post")
        await run(process, "withdraw", ADA)

        acts = await told(process)
        assert len(acts) == 5
        stubs = Stubs(process.address)
        checkpoint = await call(stubs.audit.GetCheckpoint, au.GetCheckpointRequest(), 10)
        keys = [VerifierKey.parse(vkey) for vkey in checkpoint.vkeys]
        await stubs.channel.close()
        files = [tmp_path / f"{act['position']}.json" for act in acts]
        wanted = ("--format", "iso27560-record", "--subject", ADA, "--controller", str(controller))
        await asyncio.gather(
            *(run(process, "receipt", "get", file.stem, *wanted, "--out", str(file)) for file in files)
        )
        for file in files:
            document = json.loads(file.read_text())
            assert errors("record", document) == []
            receipt = extract(document)
            proven = verify_proof(receipt.tlog_proof, leaf_hash(receipt.leaf), keys)
            assert proven.size >= checkpoint.size and receipt.position == int(file.stem)
        shown = await run(process, "receipt", "show", str(files[0]))
        assert "granted marketing.email, explicitly, until 2031-01-31T00:00:00.500Z" in shown

        imported = json.loads(await run(process, "import", *map(str, files), "--tenant", "copy", "--json"))
        assert (imported["written"], imported["rejected"]) == (6, 0)
        copied = await told(process, "copy")
    apart = [{**act, "purposes": [purpose]} for act in acts for purpose in act.get("purposes") or [None]]
    assert [_plain(act) for act in copied] == [_plain(act) for act in apart]


def _plain(act: dict[str, Any]) -> dict[str, Any]:
    """An act without its place in a log. A withdrawal of several purposes is imported as one of each."""
    purposes = [purpose for purpose in act.get("purposes") or [] if purpose is not None]
    return {key: value for key, value in act.items() if key != "position"} | {"purposes": purposes}
