"""The product as one process on either store: started, used, stopped, and looked at by the operator's commands.

async with installation("postgresql", tmp_path, postgres) as system:
    await system.stubs.load_marketing()
    await system.stop()
    done = await system.command("fsck")
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from consentledger.bus.connection import Bus, connect
from consentledger.bus.streams import stream_state
from consentledger.crypto.keyring import FileKeyring
from consentledger.rpc.channel import call
from consentledger.settings import ServiceSettings
from consentledger.store.open import migrate_keystore, migrate_store
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import tenant_service_pb2 as ts
from consentledger.v1 import types_pb2 as ty
from services.embedded import MIGRATIONS
from tests.support.consent import NOTICE, TENANT, email, request_id
from tests.support.downstreams import Login
from tests.support.nats import NatsServer, eventually
from tests.support.postgres import External
from tests.support.services import ServiceProcess, command
from tests.support.split import Stubs, nats_url

Kind = Literal["sqlite", "postgresql"]
EMAIL = "marketing.email"


@dataclass
class Installation:
    """One installation; `process` and `stubs` are those of the newest start."""

    settings: ServiceSettings
    process: ServiceProcess | None = None
    _stubs: Stubs | None = None
    _more: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The data folder."""
        return Path(self.settings.data)

    @property
    def environment(self) -> dict[str, str]:
        """What the process and the commands are given."""
        names = ("data", "store", "keys", "keyring", "guard", "nats")
        given = {f"CONSENTLEDGER_{name.upper()}": getattr(self.settings, name) for name in names}
        return {name: value for name, value in given.items() if value} | self._more

    @property
    def stubs(self) -> Stubs:
        """Callers."""
        assert self._stubs is not None
        return self._stubs

    async def start(self, **more: str) -> None:
        """Start it; `more` are settings of this start and those after."""
        self._more |= more
        self.process = ServiceProcess("--listen", "127.0.0.1:0", **self.environment)
        await self.process.start()
        self._stubs = Stubs(self.process.address)

    async def stop(self) -> None:
        """Let it drain."""
        assert self.process is not None
        await self._hang_up()
        self.process.terminate()
        assert await self.process.ended() == 0, "".join(self.process.said[-20:])

    async def end(self) -> None:
        """Whatever is left."""
        await self._hang_up()
        if self.process is not None:
            self.process.close()

    async def _hang_up(self) -> None:
        if self._stubs is not None:
            await self._stubs.channel.close()
            self._stubs = None

    async def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """An operator's command."""
        return await command(*arguments, **self.environment)

    async def fsck(self) -> Any:
        """What the command says, as JSON."""
        done = await self.command("fsck", "--json")
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)

    @property
    def login(self) -> Login:
        """How to reach its NATS."""
        if self.settings.nats:
            at = urlsplit(self.settings.nats)
            return Login(f"nats://{at.hostname}:{at.port}", {"user": at.username or "", "password": at.password or ""})
        login = json.loads((self.data / "nats.json").read_text())
        return Login(login.pop("url"), login)

    async def bus(self) -> Bus:
        """A connection to its NATS."""
        return await connect(self.login.url, "test", **self.login.credentials)

    async def carried(self) -> None:
        """Wait until both logs are in their streams."""
        bus = await self.bus()
        try:

            async def whole() -> bool:
                for log, stream in (("consent", "LEDGER"), ("notifier", "LEDGER_NOTIFIER")):
                    state = await stream_state(bus, stream)
                    if state is None or state.last < await self.size(log):
                        return False
                return True

            await eventually(whole, 30)
        finally:
            await bus.close()

    async def size(self, log: str = "consent") -> int:
        """How many events are signed."""
        asked = au.GetCheckpointRequest(log=log)
        answer: au.GetCheckpointResponse = await call(self.stubs.audit.GetCheckpoint, asked, 10)
        return int(answer.size)

    async def grant(self, name: str, purpose: str = EMAIL) -> None:
        """Somebody consents."""
        choice = cs.ConsentChoice(purpose=purpose, choice=ty.CHOICE_GRANT)
        request = cs.RecordConsentRequest(
            request_id=request_id(), tenant=TENANT, subject=email(name), choices=[choice], notice_version=NOTICE,
            context=ty.Context(jurisdiction="DE"),
        )  # fmt: skip
        await call(self.stubs.consent.RecordConsent, request, 10)

    async def withdraw(self, name: str) -> None:
        """Somebody takes everything back."""
        request = cs.WithdrawConsentRequest(request_id=request_id(), tenant=TENANT, subject=email(name))
        await call(self.stubs.consent.WithdrawConsent, request, 10)

    async def allowed(self, name: str, purpose: str = EMAIL) -> bool:
        """What a check says."""
        request = cs.CheckConsentRequest(tenant=TENANT, subject=email(name), purpose=purpose, jurisdiction="DE")
        answer: cs.CheckConsentResponse = await call(self.stubs.consent.CheckConsent, request, 10)
        return answer.decision == ty.DECISION_ALLOWED

    async def grant_many(self, names: list[str]) -> None:
        """They all consent, some at once."""
        for start in range(0, len(names), 50):
            await asyncio.gather(*(self.grant(name) for name in names[start : start + 50]))


@asynccontextmanager
async def installation(
    kind: Kind, folder: Path, postgres: External | None, nats: NatsServer | None = None
) -> AsyncIterator[Installation]:
    """A fresh one, started; embedded, or with log and key store in PostgreSQL. Its NATS is its own child, or `nats`."""
    data = folder / "data"
    settings = ServiceSettings(data=str(data), nats=nats_url(nats) if nats is not None else "")
    urls: list[str] = []
    if kind == "postgresql":
        assert postgres is not None
        data.mkdir()
        urls = [postgres.database(), postgres.database()]
        for name, migrations in MIGRATIONS.items():
            await migrate_store(urls[0], name, migrations)
        await migrate_keystore(urls[1])
        FileKeyring.create(data / "keyring.json")
        settings = replace(
            settings, store=urls[0], keys=urls[1], keyring=str(data / "keyring.json"), guard=f"file://{data / 'guard'}"
        )
    system = Installation(settings)
    try:
        await system.start()
        if urls:  # where others' databases are, nobody makes a tenant unasked
            tenant = ev.Tenant(id=TENANT, display_name="A test", default_jurisdiction="DE")
            request = ts.CreateTenantRequest(request_id=request_id(), tenant=tenant)
            await call(system.stubs.tenants.CreateTenant, request, 10)
        yield system
    finally:
        await system.end()
        for url in urls:
            assert postgres is not None
            postgres.drop(url)
