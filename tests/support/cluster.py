"""The consent service as processes that are killed, frozen and started again while callers go on.

- A process is in a group of its own; whatever is left of the group is killed when its block ends.
- A service is started by `python -m services` itself, or by `tests.support.replica` when something is to be different.
- Callers get a new channel for each start, so that no back-off of an old one hides what the service does.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import ParseDict

from consentledger.crypto.keyring import FileKeyring
from consentledger.errors import LedgerError, Reason
from consentledger.rpc import channel
from consentledger.v1 import audit_service_pb2_grpc, purpose_service_pb2_grpc, tenant_service_pb2_grpc
from consentledger.v1 import consent_service_pb2_grpc as cs
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import purpose_service_pb2 as ps
from consentledger.v1.tenant_service_pb2 import CreateTenantRequest
from tests.support.consent import CATALOGUE, NOTICE, TENANT, request_id

ROOT = Path(__file__).parents[2]
READY_SECONDS = 60.0
NO_DEFECTS = {"StoreUnavailable", "OutcomeUnknown", "log-unavailable", "ExecuteBatchError"}
"""Errors that services log while PostgreSQL is down; the last is gRPC's own, when a caller has gone meanwhile."""
CUT = ("asyncio", "ConnectionError")
"""What asyncio says when the driver leaves the future of a connection that we cut behind, unread."""
PURPOSES = ("marketing.email", "data.sale")
"""One that needs consent in Germany, one that is allowed in California until refused."""


class DidNotStart(Exception):
    """A service ended before it was ready; what it said last."""


class Service:
    """One process that serves. Made by `service`."""

    def __init__(self, module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = {**os.environ, **environment}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._channels: list[grpc.aio.Channel] = []
        self.address = ""
        self.stub: Any = None
        """Of ConsentService, on a channel to the newest start."""
        self.audit: Any = None
        """Of AuditService, likewise."""
        self.defects: list[dict[str, Any]] = []
        """What it logged as errors, but for what the faults explain."""

    @property
    def pid(self) -> int:
        """The process id of the newest start."""
        assert self._process is not None
        return self._process.pid

    async def start(self, tries: int = 1) -> None:
        """Start it; returns when it is ready. One that ends instead is started again, as an orchestrator would."""
        for left in reversed(range(tries)):
            try:
                return await self._start()
            except DidNotStart:
                if not left:
                    raise

    async def _start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, cwd=ROOT, env=self._environment, stderr=asyncio.subprocess.PIPE, start_new_session=True
        )
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(self._process, ready))
        async with asyncio.timeout(READY_SECONDS):
            self.address = f"127.0.0.1:{await ready}"
        self._channels.append(channel.connect(self.address))
        self.stub = cs.ConsentServiceStub(self._channels[-1])
        self.audit = audit_service_pb2_grpc.AuditServiceStub(self._channels[-1])

    async def _read(self, process: asyncio.subprocess.Process, ready: "asyncio.Future[int]") -> None:
        assert process.stderr is not None
        said = []
        while line := await process.stderr.readline():
            try:
                event = json.loads(line)
            except ValueError:
                # Before it is ready: why it does not start, which `start` raises.
                level = "error" if ready.done() else "fatal"
                event = {"level": level, "event": line.decode(errors="replace").strip()}
            if event["event"] == "ready":
                ready.set_result(event["port"])
            known = NO_DEFECTS & {event.get("exception"), event.get("status")}
            if event["level"] == "error" and not known and (event.get("logger"), event.get("exception")) != CUT:
                self.defects.append(event)
            said.append(event)
        if not ready.done():
            ready.set_exception(DidNotStart(said[-5:]))

    async def kill(self) -> None:
        """SIGKILL to the service alone; what it started has to look after itself."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP: it holds what it holds, and does nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)

    async def stop(self) -> None:
        """Let it drain."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        await asyncio.wait_for(self._process.wait(), READY_SECONDS)

    async def end(self) -> None:
        """Kill all that is left."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)
        for one in self._channels:
            await one.close()


@contextlib.asynccontextmanager
async def service(
    folder: Path,
    *,
    store: str = "",
    keys: str = "",
    nats: str = "",
    clock_offset: float = 0.0,
    flaw: str = "",
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Service]:
    """A consent service, started: embedded in `folder`, or on databases that were migrated, with `folder`'s keyring."""
    arguments = ["consent", "--data", str(folder / "data"), "--listen", "127.0.0.1:0", "--log-level", "info"]
    if store:
        FileKeyring.open_or_create(folder / "keyring.json")
        arguments += ["--store", store, "--keys", keys, "--keyring", str(folder / "keyring.json")]
        arguments += ["--guard", f"file://{folder / 'guard'}"]
    arguments += ["--nats", nats] if nats else []
    module = "services"
    if clock_offset or flaw:
        module = "tests.support.replica"
        arguments = ["--clock-offset", str(clock_offset), *(["--flaw", flaw] if flaw else []), *arguments]
    made = Service(module, arguments, environment or {})
    try:
        await made.start()
        yield made
    finally:
        await made.end()


async def prepare(address: str) -> None:
    """The tenant, the purposes, and a notice for them."""
    async with channel.connect(address) as connection:
        tenants = tenant_service_pb2_grpc.TenantServiceStub(connection)
        purposes = purpose_service_pb2_grpc.PurposeServiceStub(connection)
        try:
            tenant = CreateTenantRequest(request_id=request_id(), tenant=ev.Tenant(id=TENANT, display_name=TENANT))
            await channel.call(tenants.CreateTenant, tenant, 10)
        except LedgerError as error:
            if error.reason is not Reason.TENANT_EXISTS:
                raise
        for raw in json.loads((CATALOGUE / "purposes.json").read_text())["purposes"]:
            if raw["id"] in PURPOSES:
                purpose = ParseDict(raw, ev.Purpose())
                create = ps.CreatePurposeRequest(request_id=request_id(), tenant=TENANT, purpose=purpose)
                await channel.call(purposes.CreatePurpose, create, 10)
        for raw in json.loads((CATALOGUE / "notices.json").read_text())["notices"]:
            if raw["version"] == NOTICE:
                notice = ParseDict({**raw, "purposes": list(PURPOSES)}, ev.Notice())
                publish = ps.PublishNoticeRequest(request_id=request_id(), tenant=TENANT, notice=notice)
                await channel.call(purposes.PublishNotice, publish, 10)
