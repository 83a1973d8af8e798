"""A notifier under test: on a real nats-server and store, with a consent service that is small but speaks gRPC.

async with world(tmp_path) as w:
    await w.register("mailer", ["marketing.email"])
    w.consent.withdraw(ADA, ["marketing.email"])
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from consentledger.bus.cloudevents import ledger_event_headers
from consentledger.bus.connection import Bus
from consentledger.bus.publisher import LogPublisher, Outgoing
from consentledger.bus.serverconfig import NatsUser
from consentledger.bus.streams import ensure_log_stream, ledger_stream, ledger_subject
from consentledger.client.downstream import Downstream
from consentledger.client.obligation import Obligation, Outcome, enforced
from consentledger.crypto.keyring import FileKeyring
from consentledger.errors import LedgerError, Reason
from consentledger.rpc.call import Call
from consentledger.rpc.channel import connect
from consentledger.rpc.guard import Guard
from consentledger.rpc.server import Server
from consentledger.store.ledger import Store
from consentledger.store.open import migrate_store, open_store
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as ns
from consentledger.v1 import tenant_service_pb2 as ts
from consentledger.webhook.lookups import Lookup
from services.notifier.projection.tables import MIGRATIONS
from services.notifier.service import NotifierConfig, NotifierService, build
from tests.support.nats import NatsServer, eventually, nats_server
from tests.support.signed import signed

ADA, BEA = b"a" * 16, b"b" * 16
KNOWN = {ADA: ("ada@example.org",), BEA: ("bea@example.org",)}
CALL = Call(None, None, None, ())  # type: ignore[arg-type]


class SmallConsent:
    """The consent service as the notifier sees it: a log in memory, published to LEDGER, and four of its rpcs."""

    def __init__(self) -> None:
        self.leaves: list[bytes] = []
        self.types: list[tuple[str, str]] = []
        self.resolving = True
        """Whether ResolveIdentifiers answers."""
        self.asked: Counter[str] = Counter()
        self.publisher: LogPublisher | None = None

    def append(self, header: ev.EventHeader, type: str, *, tenant: str = "acme", stream: bytes = ADA) -> int:
        """Record one event; its position."""
        entry = ev.LedgerEntry(format=1, tenant=tenant, stream=stream, version=1, type=type, header=header)
        entry.recorded_at.FromMicroseconds(time.time_ns() // 1000)
        self.leaves.append(entry.SerializeToString(deterministic=True))
        self.types.append((tenant, type))
        if self.publisher is not None:
            self.publisher.wake()
        return len(self.leaves)

    def withdraw(self, person: bytes, purposes: Sequence[str], *, tenant: str = "acme") -> int:
        """A withdrawal that revokes these purposes."""
        header = ev.EventHeader()
        header.consent_withdrawn.act.revoked_purposes.extend(purposes)
        return self.append(header, "consent.withdrawn.v1", tenant=tenant, stream=person)

    def grant(self, person: bytes, purpose: str = "marketing.email") -> int:
        """A grant, which revokes nothing."""
        header = ev.EventHeader()
        header.consent_recorded.purpose = purpose
        header.consent_recorded.choice = 1
        return self.append(header, "consent.recorded.v1", stream=person)

    async def after(self, position: int, limit: int) -> Sequence[Outgoing]:
        """The log as its publisher reads it."""
        return [
            Outgoing(
                at,
                ledger_subject("consent", *self.types[at - 1]),
                ledger_event_headers("consent", *self.types[at - 1], at, at),
                self.leaves[at - 1],
            )
            for at in range(position + 1, min(position + limit, len(self.leaves)) + 1)
        ]

    async def publish(self, bus: Bus, published: int = 0) -> None:
        """Publish to LEDGER from here on; what is up to `published` is taken for published before."""
        await ensure_log_stream(bus, ledger_stream("consent", max_bytes=16 << 20), published=published, rebuild=True)
        self.publisher = LogPublisher(bus, "LEDGER", self, published=published, poll=0.2)
        await self.publisher.start()

    async def stop(self) -> None:
        """Publish no more."""
        if self.publisher is not None:
            await self.publisher.stop()
            self.publisher = None

    async def ResolveIdentifiers(self, r: cs.ResolveIdentifiersRequest, call: Call) -> cs.ResolveIdentifiersResponse:
        self.asked["ResolveIdentifiers"] += 1
        if not self.resolving:
            raise LedgerError(Reason.STORE_UNAVAILABLE)
        named = [cs.ResolvedPerson(person=p, ids=KNOWN[p] if r.namespace == "email" else ()) for p in r.persons]
        return cs.ResolveIdentifiersResponse(persons=named)

    async def GetTenant(self, r: ts.GetTenantRequest, call: Call) -> ts.GetTenantResponse:
        if r.tenant not in ("acme", "other"):
            raise LedgerError(Reason.TENANT_UNKNOWN)
        return ts.GetTenantResponse(tenant=ev.Tenant(id=r.tenant))

    async def ExportLog(self, r: au.ExportLogRequest, call: Call) -> AsyncIterator[au.ExportLogResponse]:
        self.asked["ExportLog"] += 1
        yield au.ExportLogResponse(header=au.ExportHeader(first=r.from_position, last=r.to_position))
        for leaf in self.leaves[r.from_position - 1 : r.to_position]:
            yield au.ExportLogResponse(entries=[au.ExportEntry(leaf=leaf)])

    def servicer(self, descriptor: Any) -> Any:
        """Ourselves with the rpcs that nobody calls here."""

        async def refused(request: Any, call: Call) -> Any:
            raise LedgerError(Reason.NOT_IMPLEMENTED)

        async def refused_stream(request: Any, call: Call) -> Any:
            raise LedgerError(Reason.NOT_IMPLEMENTED)
            yield

        kinds = {rpc.name: refused_stream if rpc.server_streaming else refused for rpc in descriptor.methods}
        ours = {name: getattr(self, name) for name in kinds if hasattr(self, name)}
        return type("Servicer", (), {name: staticmethod(method) for name, method in (kinds | ours).items()})()


class World:
    """A running notifier and what surrounds it."""

    def __init__(self, nats: NatsServer, consent: SmallConsent, address: str, folder: Path, url: str) -> None:
        self.nats = nats
        self.consent = consent
        self.url = url
        self._address = address
        self._folder = folder
        self.keys = FileKeyring.open_or_create(folder / "keyring.json")
        self._downstreams: list[Downstream] = []
        self.clock: Callable[[], int] = lambda: time.time_ns() // 1000
        self.lookup: Lookup | None = None  # of webhooks' addresses; None asks the machine's resolver
        self.got: dict[str, list[Obligation]] = {}
        """What each downstream was handed, repeats included."""

    async def start(self, **config: Any) -> None:
        """Start the notifier, again or for the first time."""
        settings = {"rebuild_streams": True, "keep_seconds": 0.2, "sent_seconds": 0.01, "flush_seconds": 2.0}
        if not self.url.startswith("sqlite:"):
            await migrate_store(self.url, "notifier", MIGRATIONS)
        self.store: Store = await open_store(self.url, "notifier", MIGRATIONS)
        self.bus = await self.nats.bus("notifier")
        self.channel = connect(self._address)
        before = asyncio.all_tasks()
        self._log = contextlib.AsyncExitStack()
        log = await self._log.enter_async_context(signed(self.store, "notifier", self.keys, self._folder))
        self.service: NotifierService = await build(
            NotifierConfig(**{**settings, **config}),  # type: ignore[arg-type]
            log,
            self.bus,
            self.channel,
            self.keys,
            lambda: self.clock(),
            lookup=self.lookup,
        )
        await self.service.start()
        self._tasks = asyncio.all_tasks() - before
        self.rpc: Any = self.service.servicers[0][1]

    async def stop(self) -> None:
        """Stop it in an orderly way."""
        await self.service.close()
        await self._release()

    async def crash(self) -> None:
        """Stop it where it stands: nothing is flushed, saved or finished."""
        couriers = self.service._webhooks._couriers._running.values()
        tasks = self._tasks | {task for courier in couriers if (task := courier._loop._task) is not None}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._release()

    async def _release(self) -> None:
        await self.bus.close()
        await self.channel.close()
        await self._log.aclose()
        await self.store.close()

    async def register(self, id: str, purposes: Sequence[str], *, tenant: str = "acme", **fields: Any) -> ev.Downstream:
        """Register a downstream."""
        fields = {"kind": 1, "identifier_namespace": "email", **fields}
        downstream = ev.Downstream(id=id, purposes=purposes, **fields)
        request = ns.RegisterDownstreamRequest(request_id=str(uuid4()), tenant=tenant, downstream=downstream)
        answer: ns.RegisterDownstreamResponse = await self.rpc.RegisterDownstream(request, CALL)
        return answer.downstream

    async def update(self, downstream: ev.Downstream, *, tenant: str = "acme", **fields: Any) -> ev.Downstream:
        """Replace some of its fields."""
        new = ev.Downstream()
        new.CopyFrom(downstream)
        for name, value in fields.items():
            setattr(new, name, value)
        request = ns.UpdateDownstreamRequest(request_id=str(uuid4()), tenant=tenant, downstream=new)
        answer: ns.UpdateDownstreamResponse = await self.rpc.UpdateDownstream(request, CALL)
        return answer.downstream

    async def obligations(self, **narrow: Any) -> list[ns.Obligation]:
        """All obligations, in the order they were made."""
        request = ns.ListObligationsRequest(**{"tenant": "acme", "page_size": 1000, **narrow})
        answer = await self.rpc.ListObligations(request, CALL)
        return list(answer.obligations)

    async def reached(self) -> int:
        """How far the notifier says it has come."""
        answer: ns.ListObligationsResponse = await self.rpc.ListObligations(
            ns.ListObligationsRequest(tenant="acme"), CALL
        )
        return answer.reached

    async def states(self, **narrow: Any) -> Counter[str]:
        """How many obligations stand where."""
        found = await self.obligations(**narrow)
        return Counter(ev.ObligationState.Name(o.state).removeprefix("OBLIGATION_STATE_") for o in found)

    async def standing(self, timeout: float = 10.0, **counts: int) -> None:
        """Wait until exactly these obligations stand there: `standing(ENFORCED=2)`."""

        async def holds() -> bool:
            return dict(await self.states()) == counts

        try:
            await eventually(holds, timeout)
        except AssertionError:
            raise AssertionError(f"{dict(await self.states())} instead of {counts}; {self.service.alarms()}") from None

    async def listen(self, id: str, handler: Any = None, *, tenant: str = "acme", **options: Any) -> Downstream:
        """A downstream that enforces whatever it is told, or does what `handler` says."""
        got = self.got.setdefault(id, [])

        async def enforce(obligation: Obligation) -> Outcome:
            got.append(obligation)
            return enforced("suppressed", 1) if handler is None else await handler(obligation)

        options = {"retry_delay": lambda deliveries: 0.05, **options}
        options = {**self.nats.credentials, **options}
        client = Downstream(self.nats.url, tenant, id, enforce, **options)
        await client.start()
        self._downstreams.append(client)
        return client

    async def stream(self, name: str) -> dict[str, Any]:
        """A stream's state, as the server tells it."""
        bus = await self.nats.bus("asking")
        try:
            return dict((await bus.request_json(f"$JS.API.STREAM.INFO.{name}"))["state"])
        finally:
            await bus.close()

    async def close(self) -> None:
        for client in self._downstreams:
            await client.stop()
        await self.stop()


@asynccontextmanager
async def world(
    folder: Path, url: str = "", *, kills: bool = False, users: Sequence[NatsUser] = (), **config: Any
) -> AsyncIterator[World]:
    """Everything running: a consent service whose log is published, and the notifier."""
    consent = SmallConsent()
    async with nats_server(kills=kills, users=users) as nats:
        server = Server(Guard())
        for service in (cs, ts, au):
            for descriptor in service.DESCRIPTOR.services_by_name.values():
                server.add(descriptor, consent.servicer(descriptor))
        address = f"127.0.0.1:{server.bind('127.0.0.1:0')}"
        await server.start()
        w = World(nats, consent, address, folder, url or f"sqlite:///{folder / 'notifier.db'}")
        w.clock, w.lookup = config.pop("clock", w.clock), config.pop("lookup", None)
        try:
            await consent.publish(await nats.bus("consent"))
            await w.start(**config)
            try:
                yield w
            finally:
                await w.close()
        finally:
            await consent.stop()
            await server.drain(0.1)
