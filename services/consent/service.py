"""The consent service put together: every dependency is an argument, everything is started and stopped here."""

import contextlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from consentledger import journal
from consentledger.bus.carrier import Carrier
from consentledger.bus.connection import Bus
from consentledger.bus.outbox import LedgerSource
from consentledger.bus.streams import ledger_stream
from consentledger.crypto.provider import KeyProvider
from consentledger.errors import LedgerError, Reason
from consentledger.regimes.load import regimes
from consentledger.store.committer import Committer
from consentledger.store.follower import Bell
from consentledger.store.keystore import KeyStore
from consentledger.store.ledger import Store, StoreUnavailable
from consentledger.store.signedlog import SignedLog
from consentledger.v1 import (
    consent_service_pb2,
    notifier_service_pb2_grpc,
    purpose_service_pb2,
    tenant_service_pb2,
)
from consentledger.v1.events_pb2 import Tenant
from consentledger.v1.tenant_service_pb2 import CreateTenantRequest
from services.consent.accesses import Accesses
from services.consent.application import SERVICE, Application
from services.consent.catalogue_application import CatalogueApplication
from services.consent.catalogue_servicer import PurposeServicer, TenantServicer
from services.consent.catalogues import Catalogues
from services.consent.checking import Checks
from services.consent.directory import Directory
from services.consent.eraser import Eraser
from services.consent.erasures import Erasures
from services.consent.expiry import Expiry
from services.consent.export.exporting import Exporting
from services.consent.history import History
from services.consent.memory import Aggregates
from services.consent.orphans import Orphans
from services.consent.persons import Persons
from services.consent.projection.lookups import with_events
from services.consent.projection.tables import ConsentProjection
from services.consent.recipients import Nobody, Notified, Recipients
from services.consent.records import Finder
from services.consent.resolving import Resolving
from services.consent.servicer import ConsentServicer
from services.consent.states import States
from services.consent.watching import Watching

FIRST_TENANT_REQUEST = "00000000-0000-4000-8000-000000000001"


@dataclass(frozen=True, slots=True)
class ConsentConfig:
    """What can be set."""

    staleness_seconds: float = 0.2
    """How old a `minimize_latency` answer may be."""
    expiry_seconds: float = 1.0
    """How often to look for grants whose time is over."""
    index_memory: int = 200_000
    """How many identifiers a process remembers; 0 turns it off."""
    stream_max_bytes: int = 1 << 30
    """Of the stream LEDGER: about 600 bytes an event, seven days are kept. Keep it below the volume's size."""
    stream_replicas: int = 1
    """3 on a cluster."""
    rebuild_stream: bool = False
    """Make an absent stream anew at start (the embedded default)."""
    first_tenant: str = ""
    """A tenant to create at start if it does not exist."""
    erasure_seconds: float = 1.0
    """How often to look for erasures to go on with, at most."""
    key_backup_days: int = 30
    """How long backups of the key store are kept: so long they may hold a key that was destroyed."""


@dataclass(frozen=True, slots=True)
class ConsentService:
    """The running parts."""

    store: Store
    committer: Committer
    carrier: Carrier
    expiry: Expiry
    orphans: Orphans
    eraser: Eraser
    catalogue_application: CatalogueApplication
    persons: Persons
    """What the audit service asks of this one."""
    servicers: Sequence[tuple[ServiceDescriptor, object]]
    config: ConsentConfig

    async def start(self) -> None:
        """Begin to serve."""
        self.committer.start()
        self.carrier.start()
        self.expiry.start()
        self.orphans.start()
        self.eraser.start()
        if self.config.first_tenant:
            await self._create_first_tenant()

    async def close(self) -> None:
        """Finish what was accepted, carry it, stop."""
        await self.expiry.close()
        await self.orphans.close()
        await self.eraser.close()
        await self.committer.close()
        with contextlib.suppress(StoreUnavailable):
            await self.carrier.flush((await self.store.head()).position, 5.0)
        await self.carrier.close()

    async def _create_first_tenant(self) -> None:
        tenant = Tenant(id=self.config.first_tenant, display_name=self.config.first_tenant)
        request = CreateTenantRequest(request_id=FIRST_TENANT_REQUEST, tenant=tenant)
        try:
            await self.catalogue_application.create_tenant(request)
        except LedgerError as error:
            if error.reason is not Reason.TENANT_EXISTS:
                raise


def recipients(notifier: grpc.aio.Channel) -> Recipients:
    """Those who were told, as the notifier behind this channel knows."""
    return Notified(notifier_service_pb2_grpc.NotifierServiceStub(notifier))


async def build(
    config: ConsentConfig,
    log: SignedLog,
    keystore: KeyStore,
    bus: Bus,
    provider: KeyProvider,
    clock: Callable[[], int],
    recipients: Recipients | None = None,
    at_step: Callable[[str], None] = lambda step: None,
) -> ConsentService:
    """Put it together; nothing runs before `start`. The log is bound to the key store and the keyring already.

    Without `recipients` nobody can say what became of telling them, and an erasure waits for as long as it may.
    `at_step` is told each step of an erasure; see `eraser`.
    """
    laws = regimes()
    store, epoch = log.store, log.epoch
    memory = Aggregates()
    committer = Committer(log, memory, ConsentProjection(memory), clock)
    directory = Directory(keystore, provider, clock, partial(with_events, store), limit=config.index_memory)
    catalogues = Catalogues(store)
    bell = Bell()
    carrier = Carrier(
        bus,
        ledger_stream(SERVICE, max_bytes=config.stream_max_bytes, replicas=config.stream_replicas),
        store,
        LedgerSource(store, SERVICE),
        rebuild=config.rebuild_stream,
        journal=journal.get("outbox"),
    )
    committer.on_commit(bell.ring)
    committer.on_commit(carrier.wake)
    mac_key = provider.derive("consent.request-mac")
    application = Application(committer, memory, directory, catalogues, laws, provider, mac_key, log)
    checks = Checks(
        store,
        directory,
        catalogues,
        laws,
        clock,
        epoch,
        staleness_seconds=config.staleness_seconds,
        floor=log.floor,
    )
    states = States(store, directory, catalogues, checks, clock, epoch)
    watching = Watching(store, directory, catalogues, bell)
    resolving = Resolving(store, directory, catalogues)
    finder = Finder(store, directory, catalogues)
    accesses = Accesses(committer, memory, laws, finder)
    exporting = Exporting(log, finder, accesses, directory, catalogues, clock)
    catalogue_application = CatalogueApplication(application, laws)
    told = recipients or Nobody()
    erasures = Erasures(application, keystore, told, lambda: uuid.uuid4().bytes)
    eraser = Eraser(
        store,
        keystore,
        committer,
        memory,
        directory,
        laws,
        told,
        clock,
        every_seconds=config.erasure_seconds,
        backup_days=config.key_backup_days,
        at_step=at_step,
    )
    committer.on_commit(eraser.wake)
    servicers: list[tuple[ServiceDescriptor, object]] = [
        (
            consent_service_pb2.DESCRIPTOR.services_by_name["ConsentService"],
            ConsentServicer(application, checks, states, watching, resolving, erasures, exporting),
        ),
        (
            tenant_service_pb2.DESCRIPTOR.services_by_name["TenantService"],
            TenantServicer(catalogue_application, catalogues),
        ),
        (
            purpose_service_pb2.DESCRIPTOR.services_by_name["PurposeService"],
            PurposeServicer(catalogue_application, catalogues),
        ),
    ]
    expiry = Expiry(store, committer, memory, laws, clock, every_seconds=config.expiry_seconds)
    return ConsentService(
        store,
        committer,
        carrier,
        expiry,
        Orphans(store, keystore, clock),
        eraser,
        catalogue_application,
        Persons(History(finder, accesses), accesses, catalogues),
        servicers,
        config,
    )
