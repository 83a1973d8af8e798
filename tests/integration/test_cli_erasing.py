"""Erasing somebody from the command line, as the runbook says; against the real services."""

import json
import subprocess
from pathlib import Path

from tests.support.nats import eventually
from tests.support.services import command, services

SUBJECT = "email:ada@example.org"


async def test_a_person_is_held_then_erased_and_the_attestation_shown(tmp_path: Path) -> None:
    async with services("--listen", "127.0.0.1:0", "--data", str(tmp_path / "data")) as process:

        async def cli(*arguments: str) -> "subprocess.CompletedProcess[str]":
            return await command(*arguments, "--server", process.address)

        assert (await cli("withdraw", SUBJECT)).returncode == 0
        assert (await cli("hold", "set", SUBJECT, "Case-7", "--reason", "a court")).returncode == 0
        refused = await cli("erase", SUBJECT)
        assert refused.returncode == 1 and "HOLD_STANDS" in refused.stderr
        assert (await cli("hold", "lift", SUBJECT, "Case-7")).returncode == 0
        begun = await cli("erase", SUBJECT, "--recipients-within", "60", "--collector", "desk", "--json")
        assert begun.returncode == 0, begun.stderr
        erasure = json.loads(begun.stdout)["erasure"]
        assert erasure["suppressed"] is True

        async def done() -> bool:
            found = json.loads((await cli("erasure", erasure["erasure_id"], "--json")).stdout)["erasure"]
            return bool(found["state"] == "ERASURE_STATE_ERASED")

        await eventually(done, 60)
        shown = (await cli("erasure", erasure["erasure_id"])).stdout
        assert "ERASED" in shown and "keystore, log.ciphertexts, memory" in shown and "kept, so that" in shown
        assert "ada" not in shown
        again = await cli("erase", SUBJECT)
        assert again.returncode == 1 and "SUBJECT_UNKNOWN" in again.stderr
        unknown = await cli("erasure", "00000000-0000-4000-8000-000000000000")
        assert unknown.returncode == 1 and "ERASURE_UNKNOWN" in unknown.stderr
