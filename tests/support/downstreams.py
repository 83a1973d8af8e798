"""Downstreams that remember what they were handed, and one that listens the wrong way, as a control."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consentledger.bus.connection import Bus, connect
from consentledger.bus.message import Message
from consentledger.client.answers import Answer
from consentledger.client.downstream import Downstream
from consentledger.client.obligation import ALL, Obligation, Outcome, enforced
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as ns
from tests.support.consent import TENANT, request_id
from tests.support.people import SMS, insist


@dataclass(frozen=True, slots=True)
class Login:
    """How to reach a nats-server."""

    url: str
    credentials: Mapping[str, str]


class _Noting(Downstream):
    """The client as shipped, that also tells which deliveries are not the first."""

    redelivered: set[int]

    async def _enforce(self, bus: Bus, message: Message) -> Answer | None:
        if message.deliveries > 1:
            self.redelivered.add(Obligation.read(message.payload).ledger_position)
        return await super()._enforce(bus, message)


@dataclass
class Recorder:
    """A downstream of the client library that keeps what it is handed."""

    id: str
    receives: Sequence[str]
    got: list[Obligation] = field(default_factory=list)
    redelivered: set[int] = field(default_factory=set)
    """Positions that the broker says it had handed to it before."""
    _client: _Noting | None = None

    async def start(self, login: Login) -> None:
        """Listen, again or for the first time."""
        self._client = _Noting(
            login.url, TENANT, self.id, self._enforce, retry_delay=lambda deliveries: 0.05, **login.credentials
        )
        self._client.redelivered = self.redelivered
        await self._client.start()

    async def stop(self) -> None:
        """End where it stands, with obligations in hand and answers unsaid."""
        if self._client is not None:
            await self._client.stop()
            self._client = None

    async def _enforce(self, obligation: Obligation) -> Outcome:
        self.got.append(obligation)
        return enforced("suppressed", 1)


@dataclass
class PlainSubscriber:
    """Listens to a downstream's subjects as to any NATS subject, with no consumer that remembers for it."""

    id: str
    got: list[Obligation] = field(default_factory=list)
    _bus: Bus | None = None

    async def start(self, login: Login) -> None:
        """Listen, again or for the first time."""
        self._bus = await connect(login.url, "plain", **login.credentials)
        await self._bus.subscribe(f"enforce.{TENANT}.{self.id}.>", self._take)

    async def stop(self) -> None:
        """Go away."""
        if self._bus is not None:
            await self._bus.close()
            self._bus = None

    async def _take(self, message: Any) -> None:
        self.got.append(Obligation.read(message.data))


class Downstreams:
    """One that receives everything, one that receives a purpose, one that is paused; and the control."""

    def __init__(self, notifier: Any) -> None:
        self._notifier = notifier
        self.mailer = Recorder("mailer", [ALL])
        self.texter = Recorder("texter", [SMS])
        self.late = Recorder("late", [ALL])
        self.plain = PlainSubscriber("mailer")
        self.recorders = [self.mailer, self.texter, self.late]

    async def register(self) -> None:
        """Register them; each knows people by e-mail address."""
        for recorder in self.recorders:
            new = ev.Downstream(
                id=recorder.id, kind=ev.DOWNSTREAM_KIND_PROCESSOR, purposes=recorder.receives,
                identifier_namespace="email", paused=recorder is self.late,
            )  # fmt: skip
            request = ns.RegisterDownstreamRequest(request_id=request_id(), tenant=TENANT, downstream=new)
            await insist(self._notifier.RegisterDownstream, request)

    async def start(self, login: Login) -> None:
        """All listen but the late one."""
        for listener in (self.mailer, self.texter, self.plain):
            await listener.start(login)

    async def stop(self) -> None:
        """All go away."""
        for listener in (*self.recorders, self.plain):
            await listener.stop()

    async def resume_late(self, login: Login) -> None:
        """The paused one is paused no more."""
        asked = ns.GetDownstreamRequest(tenant=TENANT, downstream=self.late.id)
        standing = (await insist(self._notifier.GetDownstream, asked)).downstream
        standing.paused = False
        change = ns.UpdateDownstreamRequest(request_id=request_id(), tenant=TENANT, downstream=standing)
        await insist(self._notifier.UpdateDownstream, change)
        await self.late.start(login)

    async def obligations(self, **narrow: Any) -> list[ns.Obligation]:
        """Every obligation of the tenant."""
        request = ns.ListObligationsRequest(tenant=TENANT, page_size=1000, **narrow)
        found: list[ns.Obligation] = []
        while True:
            page = await insist(self._notifier.ListObligations, request)
            found += page.obligations
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token
