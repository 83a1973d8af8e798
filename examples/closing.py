"""The closing act of `make demo`: what an auditor is handed, a receipt checked offline, an erasure, a forgery found.

Left under build/demo/: tlog/ (C2SP tlog-tiles: tiles and checkpoint), vkey, export.jsonl, withdrawal.tlog-proof with
its withdrawal.leaf, receipt.json (ISO/IEC TS 27560).
"""

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from consentledger.rpc.channel import call
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty
from examples.system import ROOT, System

FOLDER = ROOT / "build" / "demo"
TOOL = Path(sys.executable).parent


class Auditor:
    """Runs the commands that an auditor would type."""

    def __init__(self, system: System, tenant: str) -> None:
        self._system = system
        self._tenant = tenant
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)

    def ledger(self, *arguments: str) -> tuple[int, str]:
        """`consentledger …` against the running services: (exit code, what it said)."""
        server = ("--server", self._system.address, "--tenant", self._tenant)
        return run(str(TOOL / "consentledger"), *server, *arguments)

    def take(self, position: int) -> None:
        """Everything that is handed over."""
        for arguments in (
            ("audit", "tiles", "--out", str(FOLDER / "tlog")),
            ("receipt", "get", str(position), "--format", "tlog-proof", "--out", str(FOLDER / "withdrawal")),
            ("receipt", "get", str(position), "--out", str(FOLDER / "receipt.json")),
        ):
            code, said = self.ledger(*arguments)
            if code:
                raise RuntimeError(said)
        self.export(FOLDER / "export.jsonl")
        (FOLDER / "vkey").write_text(header(FOLDER / "export.jsonl")["vkeys"][-1] + "\n")

    def export(self, to: Path) -> None:
        """The whole log."""
        code, said = self.ledger("audit", "export", "--ciphertexts", "--out", str(to))
        if code:
            raise RuntimeError(said)

    @staticmethod
    def verify(export: Path, *more: str) -> dict[str, Any]:
        """`consentledger-verify export …`: no server, no database, no network."""
        vkey = (FOLDER / "vkey").read_text().strip()
        receipt = ("--receipt", str(FOLDER / "withdrawal.tlog-proof"))
        program = (sys.executable, "-m", "consentledger_verify")
        code, said = run(*program, "export", str(export), "--vkey", vkey, *receipt, *more, "--json")
        return {"code": code, **json.loads(said)}


def header(export: Path) -> dict[str, Any]:
    """The first line of an export."""
    with export.open() as file:
        found: dict[str, Any] = json.loads(file.readline())
    return found


def run(*command: str) -> tuple[int, str]:
    """(exit code, standard output)."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout or done.stderr


async def erase(stub: Any, tenant: str, subject: ty.SubjectRef) -> cs.Erasure:
    """Ask for the erasure, and wait until it is attested."""
    request = cs.EraseSubjectRequest(request_id=str(uuid.uuid4()), tenant=tenant, subject=subject)
    erasure = (await call(stub.EraseSubject, request, 10)).erasure
    for _ in range(600):
        if erasure.state == cs.ERASURE_STATE_ERASED:
            break
        await asyncio.sleep(0.05)
        asked = cs.GetErasureRequest(tenant=tenant, erasure_id=erasure.erasure_id)
        erasure = (await call(stub.GetErasure, asked, 10)).erasure
    found: cs.Erasure = erasure
    return found


def forge(database: Path, position: int) -> None:
    """What the owner of the database can do to one event: one byte, behind the back of every trigger."""
    with sqlite3.connect(database) as connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        [(leaf,)] = connection.execute("SELECT leaf FROM event WHERE position = ?", (position,)).fetchall()
        forged = leaf[:-1] + bytes([leaf[-1] ^ 1])
        connection.execute("UPDATE event SET leaf = ? WHERE position = ?", (forged, position))
    connection.close()


def fsck(data: Path) -> tuple[int, str]:
    """`consentledger fsck --data …`."""
    return run(str(TOOL / "consentledger"), "fsck", "--data", str(data))
