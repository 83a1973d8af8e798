"""The commands about webhooks against a real server: a secret is shown to whoever made it, and to nobody else."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.support.cluster import ROOT, Service

URL = "https://hooks.example.org/consent"
RUN = "import sys; from consentledger.cli.main import run; sys.exit(run())"


class Commands:
    """Runs the command against one server."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def __call__(self, *arguments: str, code: int = 0) -> str:
        """What it shows; it must end with `code`."""
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", RUN, "--server", self._address, *arguments,
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        shown, _ = await child.communicate()
        assert child.returncode == code, shown.decode()
        return shown.decode()

    async def json(self, *arguments: str) -> Any:
        """Its JSON."""
        return json.loads(await self(*arguments, "--json"))


async def test_a_webhook_is_registered_and_its_secret_replaced(tmp_path: Path) -> None:
    process = Service("services", ["--data", str(tmp_path), "--listen", "127.0.0.1:0"], {})
    try:
        await process.start()
        cli = Commands(process.address)
        new = ("downstreams", "register", "shop", "--kind", "processor", "--purpose", "*", "--namespace", "email")
        shown = await cli(*new, "--webhook", URL)
        assert URL in shown and "whsec_" in shown and "whpk_" in shown
        rotated = await cli.json("downstreams", "rotate-secret", "shop", "--overlap", "60")
        assert rotated["webhook_secret"]["secret"].startswith("whsec_")
        assert rotated["webhook_secret"]["secret"] not in shown
        assert rotated["downstream"]["webhook"]["previous_secret_version"] == "1"
        for quiet in (("get", "shop"), ("list",), ("update", "shop", "--paused"), ("update", "shop", "--resumed")):
            assert "whsec_" not in await cli("downstreams", *quiet)
        catalogue = tmp_path / "downstreams.json"
        entry = {"id": "shop", "kind": "DOWNSTREAM_KIND_PROCESSOR", "purposes": ["*"], "identifier_namespace": "email"}
        catalogue.write_text(json.dumps({"downstreams": [{**entry, "webhook": {"url": URL}}]}))
        assert "unchanged" in await cli("downstreams", "load", str(catalogue))
        assert "no query" in await cli("downstreams", "update", "shop", "--webhook", f"{URL}?key=1", code=1)
        assert URL not in await cli("downstreams", "update", "shop", "--webhook", "")
        await cli("downstreams", "rotate-secret", "shop", code=1)
        assert (await cli.json("obligations", "list", "--state", "dead"))["obligations"] == []
    finally:
        await process.end()
