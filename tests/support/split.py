"""The services as in production, a process each: on PostgreSQL and a nats-server that is not their own.

async with split(tmp_path, postgres) as system:
    await system.notifier.kill()
    await system.notifier.start()
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from google.protobuf.json_format import ParseDict

from consentledger.crypto.keyring import FileKeyring
from consentledger.rpc.channel import call, connect
from consentledger.store.open import migrate_keystore, migrate_store
from consentledger.v1 import (
    audit_service_pb2_grpc,
    consent_service_pb2_grpc,
    notifier_service_pb2_grpc,
    purpose_service_pb2_grpc,
    tenant_service_pb2_grpc,
)
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import purpose_service_pb2 as ps
from consentledger.v1 import tenant_service_pb2 as ts
from services.embedded import MIGRATIONS
from tests.support.consent import CATALOGUE, TENANT, request_id
from tests.support.nats import NatsServer, nats_server
from tests.support.postgres import External
from tests.support.services import ServiceProcess, command


class Stubs:
    """Callers of one address."""

    def __init__(self, address: str) -> None:
        self.channel = connect(address)
        self.consent: Any = consent_service_pb2_grpc.ConsentServiceStub(self.channel)
        self.tenants: Any = tenant_service_pb2_grpc.TenantServiceStub(self.channel)
        self.purposes: Any = purpose_service_pb2_grpc.PurposeServiceStub(self.channel)
        self.audit: Any = audit_service_pb2_grpc.AuditServiceStub(self.channel)
        self.notifier: Any = notifier_service_pb2_grpc.NotifierServiceStub(self.channel)

    async def load_marketing(self) -> None:
        """What the example catalogue has for marketing: three purposes, and four notices of which one is material."""
        for raw in json.loads((CATALOGUE / "purposes.json").read_text())["purposes"]:
            if raw["id"].startswith("marketing."):
                purpose = ParseDict(raw, ev.Purpose())
                await call(
                    self.purposes.CreatePurpose,
                    ps.CreatePurposeRequest(request_id=request_id(), tenant=TENANT, purpose=purpose),
                    10,
                )
        for raw in json.loads((CATALOGUE / "notices.json").read_text())["notices"]:
            if raw["id"] == "marketing":
                notice = ParseDict(raw | {"purposes": raw["purposes"][:3]}, ev.Notice())
                await call(
                    self.purposes.PublishNotice,
                    ps.PublishNoticeRequest(request_id=request_id(), tenant=TENANT, notice=notice),
                    10,
                )


@dataclass
class Split:
    """What runs. Sockets instead of ports, since a service that comes back must be found where it was."""

    nats: NatsServer
    postgres: External
    settings: dict[str, str]
    """The environment that every process, and the command, is given."""
    consent: ServiceProcess
    notifier: ServiceProcess
    at_consent: Stubs
    at_notifier: Stubs

    @property
    def store(self) -> str:
        """The URL of the logs' database."""
        return self.settings["CONSENTLEDGER_STORE"]

    async def rebuild_bus(self) -> str:
        """What an operator does when NATS has lost everything."""
        done = await command("bus", "rebuild", **self.settings)
        assert done.returncode == 0, done.stderr
        return done.stdout


def nats_url(server: NatsServer) -> str:
    """With the owner's credentials."""
    login = server.credentials
    return f"nats://{login['user']}:{login['password']}@{urlsplit(server.url).netloc}"


@asynccontextmanager
async def databases(postgres: External, server: NatsServer, folder: Path) -> AsyncIterator[dict[str, str]]:
    """Settings for two fresh databases, migrated, a keyring, and NATS."""
    store, keys = postgres.database(), postgres.database()
    keyring = folder / "keyring.json"
    FileKeyring.create(keyring)
    settings = {
        "CONSENTLEDGER_STORE": store,
        "CONSENTLEDGER_KEYS": keys,
        "CONSENTLEDGER_KEYRING": str(keyring),
        "CONSENTLEDGER_GUARD": f"file://{folder / 'guard'}",
        "CONSENTLEDGER_NATS": nats_url(server),
        "CONSENTLEDGER_DATA": str(folder / "data"),
    }
    try:
        for name, migrations in MIGRATIONS.items():
            await migrate_store(store, name, migrations)
        await migrate_keystore(keys)
        yield settings
    finally:
        postgres.drop(store)
        postgres.drop(keys)


@asynccontextmanager
async def split(folder: Path, postgres: External) -> AsyncIterator[Split]:
    """Both services, ready, with the tenant `default` and no catalogue."""
    # A socket's path is short, and pytest's folders are not.
    with tempfile.TemporaryDirectory(prefix="cl-") as sockets:
        at = {name: f"unix:{sockets}/{name}" for name in ("consent", "notifier")}
        async with nats_server(kills=True) as server, databases(postgres, server, folder) as settings:
            settings["CONSENTLEDGER_CONSENT"] = at["consent"]
            settings["CONSENTLEDGER_NOTIFIER"] = at["notifier"]
            processes = [ServiceProcess(name, "--listen", at[name], **settings) for name in at]
            stubs = [Stubs(address) for address in at.values()]
            try:
                await asyncio.gather(*(process.start() for process in processes))
                tenant = ev.Tenant(id=TENANT, display_name="A test", default_jurisdiction="DE")
                await call(
                    stubs[0].tenants.CreateTenant, ts.CreateTenantRequest(request_id=request_id(), tenant=tenant), 10
                )
                yield Split(server, postgres, settings, *processes, *stubs)
            finally:
                for one in stubs:
                    await one.channel.close()
                for process in processes:
                    process.close()
