"""All services as an operator starts them: in one process with everything embedded, or a process each on PostgreSQL."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from consentledger.bus.connection import Bus, connect
from consentledger.client.downstream import Downstream
from consentledger.client.obligation import Obligation, Outcome, enforced
from consentledger.rpc.channel import call
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as ns
from tests.support.consent import TENANT, request_id
from tests.support.downstreams import Login
from tests.support.services import ServiceProcess, services
from tests.support.split import Stubs, split


@dataclass(frozen=True, slots=True)
class Whole:
    """What runs, with the marketing purposes loaded."""

    stubs: Stubs
    """Of the consent service."""
    notifier: Any
    login: Login
    data: Path | None
    """The folder of embedded files; None on servers."""
    store: str
    """The URL of the consent service's log."""
    keys: str
    """Of the key store."""
    processes: tuple[ServiceProcess, ...]

    @property
    def consent(self) -> Any:
        """The stub."""
        return self.stubs.consent

    @property
    def audit(self) -> Any:
        """The stub."""
        return self.stubs.audit

    async def bus(self) -> Bus:
        """A connection to its NATS."""
        return await connect(self.login.url, "test", **self.login.credentials)

    async def register(self, id: str, *, namespace: str = "email") -> None:
        """A downstream that receives everything."""
        downstream = ev.Downstream(
            id=id, kind=ev.DOWNSTREAM_KIND_PROCESSOR, purposes=["*"], identifier_namespace=namespace
        )
        request = ns.RegisterDownstreamRequest(request_id=request_id(), tenant=TENANT, downstream=downstream)
        await call(self.notifier.RegisterDownstream, request, 10)


class Listener:
    """A downstream that enforces what it is told, but what `waits` says only when it is let."""

    def __init__(self, whole: Whole, id: str, *, waits: str = "") -> None:
        self.got: list[Obligation] = []
        self.may = False
        self._waits = waits
        self._client = Downstream(
            whole.login.url, TENANT, id, self._enforce, retry_delay=lambda deliveries: 0.05, **whole.login.credentials
        )

    async def _enforce(self, obligation: Obligation) -> Outcome:
        self.got.append(obligation)
        if obligation.event_type == self._waits and not self.may:
            raise ConnectionError("not yet")
        return enforced("deleted", 1)

    async def __aenter__(self) -> "Listener":
        await self._client.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.stop()


@contextlib.asynccontextmanager
async def whole(kind: str, folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[Whole]:
    """Everything, ready; `kind` is "embedded" or "servers"."""
    if kind == "servers":
        async with split(folder, request.getfixturevalue("postgres")) as system:
            await system.at_consent.load_marketing()
            login = Login(system.nats.url, system.nats.credentials)
            keys = system.settings["CONSENTLEDGER_KEYS"]
            processes = (system.consent, system.notifier)
            yield Whole(system.at_consent, system.at_notifier.notifier, login, None, system.store, keys, processes)
        return
    data = folder / "data"
    async with services("--listen", "127.0.0.1:0", "--data", str(data)) as process:
        stubs = Stubs(process.address)
        try:
            await stubs.load_marketing()
            found = json.loads((data / "nats.json").read_text())
            login = Login(found["url"], {"user": found["user"], "password": found["password"]})
            log, keys = (f"sqlite:///{data / name}.db" for name in ("consent", "keys"))
            yield Whole(stubs, stubs.notifier, login, data, log, keys, (process,))
        finally:
            await stubs.channel.close()
