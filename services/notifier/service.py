"""The notifier put together: every dependency is an argument, everything is started and stopped here.

Store, bus and channel belong to the caller, who closes them after the service.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from consentledger import journal
from consentledger.bus.carrier import Carrier
from consentledger.bus.connection import Bus
from consentledger.bus.consumer import PullLoop
from consentledger.bus.outbox import LedgerSource
from consentledger.bus.publisher import LogPublisher, PublisherState
from consentledger.bus.streams import ledger_stream
from consentledger.crypto.provider import KeyProvider
from consentledger.store.committer import Committer
from consentledger.store.ledger import Entry, StoreUnavailable
from consentledger.store.signedlog import SignedLog
from consentledger.v1 import (
    audit_service_pb2_grpc,
    consent_service_pb2_grpc,
    notifier_service_pb2,
    tenant_service_pb2_grpc,
)
from consentledger.webhook.lookups import Lookup
from services.notifier.acks import Acks
from services.notifier.application import Application
from services.notifier.commands import SERVICE
from services.notifier.dispatch import TOKEN_LABEL, DispatchSource
from services.notifier.identifiers import Identifiers
from services.notifier.intake import Intake
from services.notifier.keeper import ACKS_CONSUMER, Keeper
from services.notifier.memory import Aggregates
from services.notifier.projection import carry
from services.notifier.projection.write import NotifierProjection
from services.notifier.purges import Purges
from services.notifier.replay import ReplayedLedger
from services.notifier.sent import SentRecorder
from services.notifier.servicer import NotifierServicer
from services.notifier.tenants import Tenants
from services.notifier.webhooks.keys import LABEL, WebhookKeys
from services.notifier.webhooks.running import WebhookConfig, Webhooks

_journal = journal.get("notifier")


@dataclass(frozen=True, slots=True)
class NotifierConfig:
    """What can be set. Times are in seconds."""

    rebuild_streams: bool = False
    """Make an absent stream anew, with everything still open in it (the embedded default)."""
    stream_max_bytes: int = 1 << 30
    """Of each stream; keep it below the volume's size."""
    stream_replicas: int = 1
    """3 on a cluster."""
    call_seconds: float = 5.0
    """How long a call of the consent service may take."""
    replay_seconds: float = 60.0
    """How long one replay of missing entries may take."""
    keep_seconds: float = 30.0
    """How often streams, consumers and what aged out are looked after."""
    sent_seconds: float = 0.05
    """How long SENT waits for others, so that recording it does not compete with sending."""
    outbox_seconds: float = 0.02
    """How long our own log waits to be carried, for the same reason."""
    save_seconds: float = 5.0
    """How often the position is saved when nothing was revoked."""
    flush_seconds: float = 5.0
    """How long closing waits for what is committed to be published."""
    webhooks: WebhookConfig = field(default_factory=WebhookConfig)
    """Where webhooks may go, and how long an attempt may take."""


class NotifierService:
    """The running parts; made by `build`."""

    def __init__(
        self,
        config: NotifierConfig,
        log: SignedLog,
        bus: Bus,
        channel: grpc.aio.Channel,
        provider: KeyProvider,
        clock: Callable[[], int],
        progress: carry.Progress,
        lookup: Lookup | None,
    ) -> None:
        tenants = tenant_service_pb2_grpc.TenantServiceStub(channel)
        audit = audit_service_pb2_grpc.AuditServiceStub(channel)
        consent = consent_service_pb2_grpc.ConsentServiceStub(channel)
        store = log.store
        self._config = config
        self._store = store
        self._saved = progress
        memory = Aggregates()
        self._projection = NotifierProjection(memory)
        self._committer = Committer(log, memory, self._projection, clock)
        self._identifiers = Identifiers(consent, config.call_seconds)
        token_key = provider.derive(TOKEN_LABEL)
        self._source = DispatchSource(store, self._identifiers, token_key)
        self._publisher = LogPublisher(
            bus,
            "ENFORCE",
            self._source,
            published=progress.sent,
            on_state=self._publishing,
            on_published=self._published,
        )
        self._sent = SentRecorder(
            store,
            memory,
            self._committer,
            lambda: self._publisher.published,
            position=progress.sent,
            delay=config.sent_seconds,
            on_failure=lambda failure: _journal.error("notifier.sent_failed", exception=type(failure).__name__),
        )
        self._keeper = Keeper(
            bus,
            store,
            rebuild=config.rebuild_streams,
            every=config.keep_seconds,
            max_bytes=config.stream_max_bytes,
            replicas=config.stream_replicas,
            sent_again=self._publisher.wake,
            journal=_journal,
        )
        self._outbox = Carrier(
            bus,
            ledger_stream(SERVICE, max_bytes=config.stream_max_bytes, replicas=config.stream_replicas),
            store,
            LedgerSource(store, SERVICE),
            rebuild=config.rebuild_streams,
            journal=_journal,
        )
        self._acks = Acks(memory, self._committer, _journal)
        self._acks_loop = PullLoop(
            bus,
            "ACKS",
            ACKS_CONSUMER,
            self._acks.handle,
            ensure=self._keeper.ensure_acks,
        )
        self._purges = Purges(
            bus, store, token_key, lambda: self._publisher.published, every=config.keep_seconds, journal=_journal
        )
        replayed = ReplayedLedger(audit, config.replay_seconds)
        self.intake = Intake(bus, store, memory, self._committer, replayed, self._identifiers, self._purges, _journal)
        keys = WebhookKeys(provider.derive(LABEL))
        self._webhooks = Webhooks(
            config.webhooks,
            bus,
            store,
            memory,
            self._committer,
            keys,
            clock,
            lookup,
            every=config.keep_seconds,
            sent_again=self._publisher.wake,
            journal=_journal,
        )
        self._committer.on_commit(self._committed)
        application = Application(
            self._committer,
            memory,
            store,
            Tenants(tenants, config.call_seconds),
            provider.derive("notifier.request-mac"),
            lambda: self.intake.position,
            keys,
            config.webhooks.plain_hosts,
        )
        self.servicers: Sequence[tuple[ServiceDescriptor, object]] = (
            (notifier_service_pb2.DESCRIPTOR.services_by_name["NotifierService"], NotifierServicer(application)),
        )
        self._saver: asyncio.Task[None] | None = None
        self._outbox_wakes: asyncio.TimerHandle | None = None
        self._serving = False

    def ready(self) -> bool:
        """Whether calls are welcome. A NATS that is down is an alarm and no reason to turn callers away."""
        return self._serving

    def alarms(self) -> Mapping[str, str]:
        """What somebody must look at, by part; empty when all is well."""
        found = {
            "enforce": self._publisher.state.value if self._publisher.state.alarming else "",
            "outbox": self._outbox.state.value if self._outbox.state.alarming else "",
            "streams": self._keeper.alarm,
            "intake": "unknown-entry" if self.intake.halted else "",
            "webhooks": self._webhooks.alarm,
        }
        return {part: alarm for part, alarm in found.items() if alarm}

    def refused_acks(self) -> Mapping[str, int]:
        """How many answers of downstreams were refused since the start, by reason."""
        return dict(self._acks.refused)

    async def start(self) -> None:
        """Begin to serve, whether NATS and the consent service are there or not."""
        self._committer.start()
        self._outbox.start()
        await self._keeper.start()
        await self._publisher.start()
        await self._sent.start()
        await self._purges.start()
        await self._acks_loop.start()
        await self._webhooks.start()
        await self.intake.start()
        self._saver = asyncio.create_task(self._save_now_and_then(), name="progress")
        self._serving = True

    async def close(self) -> None:
        """Take nothing more, commit and publish what is in hand, remember how far it got."""
        self._serving = False
        if self._saver is not None:
            self._saver.cancel()
        await self.intake.stop()
        await self._webhooks.stop()
        await self._acks_loop.stop()
        await self._keeper.stop()
        await self._purges.stop()
        with contextlib.suppress(TimeoutError, StoreUnavailable):
            await self._publisher.flush(await carry.last_dispatch(self._store), self._config.flush_seconds)
        await self._publisher.stop()
        self._identifiers.forget()
        await self._sent.stop()
        await self._committer.close()
        with contextlib.suppress(StoreUnavailable):
            await self._save()
            await self._outbox.flush((await self._store.head()).position, self._config.flush_seconds)
        await self._outbox.close()

    def _committed(self, _entries: Sequence[Entry]) -> None:
        fresh = self._projection.fresh
        if fresh:
            self._source.offer(fresh)
        if fresh or self._projection.recipients_changed:
            self._publisher.wake()
        if self._projection.recipients_changed:
            self._keeper.wake()
            self._webhooks.wake()
        if self._outbox_wakes is None:
            self._outbox_wakes = asyncio.get_running_loop().call_later(self._config.outbox_seconds, self._wake_outbox)

    def _wake_outbox(self) -> None:
        self._outbox_wakes = None
        self._outbox.wake()

    def _published(self, sequence: int) -> None:
        self._sent.wake()
        self._purges.wake()

    def _publishing(self, state: PublisherState) -> None:
        if state is PublisherState.STREAM_ABSENT:
            self._keeper.wake()
        if state.alarming:
            _journal.error("notifier.enforce", status=state.value)
        else:
            _journal.info("notifier.enforce", status=state.value)

    async def _save_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._config.save_seconds)
            with contextlib.suppress(StoreUnavailable):
                await self._save()

    async def _save(self) -> None:
        reached = carry.Progress(self.intake.position, self._sent.position)
        if reached != self._saved:
            await carry.save_progress(self._store, reached)
            self._saved = reached


async def build(
    config: NotifierConfig,
    log: SignedLog,
    bus: Bus,
    consent_channel: grpc.aio.Channel,
    provider: KeyProvider,
    clock: Callable[[], int],
    *,
    lookup: Lookup | None = None,
) -> NotifierService:
    """Put it together; nothing runs before `start`. `clock` tells microseconds since the epoch; `lookup` finds the
    addresses of webhooks, instead of the machine's resolver."""
    progress = await carry.progress(log.store)
    return NotifierService(config, log, bus, consent_channel, provider, clock, progress, lookup)
