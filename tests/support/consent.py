"""The consent service for a test: the real one, on a real store, nats-server and port, in this process."""

import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import ParseDict

from consentledger.bus.connection import Bus, connect
from consentledger.crypto.keyring import FileKeyring
from consentledger.rpc import channel
from consentledger.rpc.guard import Guard
from consentledger.rpc.server import Server
from consentledger.store.binding import bind
from consentledger.store.keystore import KeyStore
from consentledger.store.ledger import Store
from consentledger.store.open import migrate_keystore, migrate_store, open_keystore, open_store
from consentledger.v1 import (
    audit_service_pb2,
    audit_service_pb2_grpc,
    consent_service_pb2_grpc,
    purpose_service_pb2,
    purpose_service_pb2_grpc,
    tenant_service_pb2_grpc,
)
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from services.audit.logs import Logs
from services.audit.servicer import AuditServicer
from services.consent import service as consent
from services.consent.projection.tables import MIGRATIONS
from tests.support.signed import signed

CATALOGUE = Path(__file__).parents[2] / "examples" / "catalogue"
TENANT = "default"
NOTICE = "marketing-2026-02-de"
"""A notice of the example catalogue that is not stale and covers the marketing purposes."""
GENERAL = "general-1"
"""A notice that speaks of every purpose; not of the example catalogue."""


def clock() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def request_id() -> str:
    """A new one."""
    return str(uuid.uuid4())


def email(name: str) -> ty.SubjectRef:
    """A person."""
    return ty.SubjectRef(namespace="email", id=f"{name}@example.org")


@dataclass(frozen=True, slots=True)
class Ledger:
    """A running consent service and stubs for it."""

    service: consent.ConsentService
    store: Store
    keystore: KeyStore
    server: Server
    address: str
    channel: grpc.aio.Channel
    consent: Any
    tenants: Any
    purposes: Any
    audit: Any

    async def load_catalogue(self) -> None:
        """The example purposes and notices."""
        for raw in json.loads((CATALOGUE / "purposes.json").read_text())["purposes"]:
            purpose = ParseDict(raw, ev.Purpose())
            await channel.call(
                self.purposes.CreatePurpose,
                purpose_service_pb2.CreatePurposeRequest(request_id=request_id(), tenant=TENANT, purpose=purpose),
                10,
            )
        general = {"id": "general", "version": GENERAL, "language": "en", "text": "All that we do with your data."}
        for raw in [*json.loads((CATALOGUE / "notices.json").read_text())["notices"], general]:
            notice = ParseDict(raw, ev.Notice())
            await channel.call(
                self.purposes.PublishNotice,
                purpose_service_pb2.PublishNoticeRequest(request_id=request_id(), tenant=TENANT, notice=notice),
                10,
            )


async def migrated(store_url: str, keys_url: str) -> None:
    """Bring both databases up to date; SQLite migrates itself when opened."""
    if store_url.startswith("postgresql"):
        await migrate_store(store_url, "consent", MIGRATIONS)
    if keys_url.startswith("postgresql"):
        await migrate_keystore(keys_url)


@contextlib.asynccontextmanager
async def ledger(
    folder: Path,
    store_url: str,
    nats_url: str,
    *,
    keys_url: str = "",
    config: consent.ConsentConfig | None = None,
    now: Callable[[], int] = clock,
    catalogue: bool = True,
    bus: Bus | None = None,
    **others: Any,
) -> AsyncIterator[Ledger]:
    """Run it; the key store is a SQLite file beside `folder`'s keyring unless named. `others` go to `build`."""
    keys = keys_url or f"sqlite:///{folder / 'keys.db'}"
    await migrated(store_url, keys)
    provider = FileKeyring.open_or_create(folder / "keyring.json")
    async with contextlib.AsyncExitStack() as stack:
        if bus is None:
            bus = await connect(nats_url, "test", timeout=None)
            stack.push_async_callback(bus.close)
        store = await open_store(store_url, "consent", MIGRATIONS)
        stack.push_async_callback(store.close)
        keystore = await open_keystore(keys)
        stack.push_async_callback(keystore.close)
        chosen = config or consent.ConsentConfig(rebuild_stream=True, first_tenant=TENANT)
        await bind(store, keystore, provider)
        log = await stack.enter_async_context(signed(store, "consent", provider, folder))
        service = await consent.build(chosen, log, keystore, bus, provider, now, **others)
        server = Server(Guard())
        port = server.bind("127.0.0.1:0")
        for descriptor, servicer in service.servicers:
            server.add(descriptor, servicer)
        logs = Logs({"consent": log}, service.persons)
        server.add(audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"], AuditServicer(logs))
        await server.start()
        await service.start()
        await server.health.set_ready(True)
        connection = channel.connect(f"127.0.0.1:{port}")
        stack.push_async_callback(connection.close)
        running = Ledger(
            service,
            store,
            keystore,
            server,
            f"127.0.0.1:{port}",
            connection,
            consent_service_pb2_grpc.ConsentServiceStub(connection),
            tenant_service_pb2_grpc.TenantServiceStub(connection),
            purpose_service_pb2_grpc.PurposeServiceStub(connection),
            audit_service_pb2_grpc.AuditServiceStub(connection),
        )
        try:
            if catalogue:
                await running.load_catalogue()
            yield running
        finally:
            await server.drain(5.0)
            await service.close()
