"""The README's example runs as it is printed, against a running service."""

import asyncio
import re
from pathlib import Path

from consentledger.rpc.channel import call
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import purpose_service_pb2 as ps
from tests.support.consent import TENANT, ledger, request_id

README = Path(__file__).parents[2] / "README.md"


async def test_the_readme_example_runs_as_printed(tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert example is not None
    async with ledger(tmp_path, f"sqlite:///{tmp_path}/c.db", "nats://127.0.0.1:1") as running:
        notice = ev.Notice(id="privacy", version="privacy-2026-1", language="en", text="What we do with your data.")
        publish = ps.PublishNoticeRequest(request_id=request_id(), tenant=TENANT, notice=notice)
        await call(running.purposes.PublishNotice, publish, 10)
        code = example.group(1)
        assert "127.0.0.1:50051" in code
        code = code.replace("127.0.0.1:50051", running.address)
        await asyncio.to_thread(exec, compile(code, "README.md", "exec"), {})
