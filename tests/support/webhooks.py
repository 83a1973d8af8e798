"""A notifier whose clock stands until the test moves it, and receivers of webhooks that it may call.

async with hooked(tmp_path) as h:
    hook = await h.hook("shop")
    h.world.consent.withdraw(ADA, ["a"])
    await h.world.standing(RECEIVED=1)
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as ns
from consentledger.webhook import signing
from consentledger.webhook.addresses import networks
from consentledger.webhook.signing import PublicKey, SharedSecret
from services.notifier.webhooks.running import WebhookConfig
from tests.support.nats import eventually
from tests.support.notifier import CALL, World, world
from tests.support.receivers import Answering, Authority, Hook, Received, answer, receiver

LOOPBACK = networks(["127.0.0.0/8"])


class StandingClock:
    """Microseconds since the epoch, of the moment that it was made; moves only when told."""

    def __init__(self) -> None:
        self.now_us = time.time_ns() // 1000

    def __call__(self) -> int:
        return self.now_us

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.now_us += int(seconds * 1_000_000)


@dataclass
class Hooked:
    """The notifier, its clock, and its webhooks by downstream."""

    world: World
    clock: StandingClock
    authority: Authority
    stack: AsyncExitStack
    settings: WebhookConfig
    secrets: dict[str, ns.WebhookSecret] = field(default_factory=dict)

    async def hook(self, id: str, answering: Answering = lambda got: answer(204), **fields: Any) -> Hook:
        """A receiver, and a downstream `id` that is told there."""
        hook = await self.stack.enter_async_context(receiver(self.authority.server(), answering))
        downstream = ev.Downstream(id=id, **{"kind": 2, "purposes": ["*"], "identifier_namespace": "email", **fields})
        downstream.webhook.url = hook.url
        request = ns.RegisterDownstreamRequest(request_id=str(uuid4()), tenant="acme", downstream=downstream)
        made = await self.world.rpc.RegisterDownstream(request, CALL)
        self.secrets[id] = made.webhook_secret
        return hook

    async def standing_as(self, id: str) -> ev.Downstream:
        """A downstream as it stands."""
        request = ns.GetDownstreamRequest(tenant="acme", downstream=id)
        return (await self.world.rpc.GetDownstream(request, CALL)).downstream

    async def rotate(self, id: str, **fields: Any) -> ns.RotateSecretResponse:
        """A new secret."""
        request = ns.RotateSecretRequest(request_id=str(uuid4()), tenant="acme", downstream=id, **fields)
        return await self.world.rpc.RotateSecret(request, CALL)

    async def acknowledge(self, obligation: str) -> None:
        """What the downstream says by rpc: it has enforced."""
        request = ns.AcknowledgeObligationRequest(
            request_id=str(uuid4()), tenant="acme", obligation=obligation, outcome=ev.OBLIGATION_STATE_ENFORCED
        )
        request.evidence.method = "deleted"
        await self.world.rpc.AcknowledgeObligation(request, CALL)

    def believed(self, secret: ns.WebhookSecret, got: Received) -> tuple[bool, bool]:
        """Whether a receiver with only the shared secret, or only the public key, believes this request now."""
        outcomes = []
        for key in (SharedSecret.read(secret.secret), PublicKey.read(secret.public_key)):
            try:
                signing.verify([key], got.headers, got.body, self.clock.now_us / 1_000_000)
                outcomes.append(True)
            except signing.NotAuthentic:
                outcomes.append(False)
        return outcomes[0], outcomes[1]

    async def waiting(self, *attempts: int) -> None:
        """Return once exactly so many obligations wait for their time, tried so often each."""

        async def holds() -> bool:
            return await self._waiting() == sorted(attempts)

        try:
            await eventually(holds, 20)
        except AssertionError:
            states = dict(await self.world.states())
            raise AssertionError(f"{await self._waiting()} instead of {sorted(attempts)}; {states}") from None

    async def nothing_kept(self) -> None:
        """Return once nothing is remembered of any attempt."""

        async def holds() -> bool:
            return await self.world.store.read("SELECT 1 FROM attempt") == []

        await eventually(holds)

    async def _waiting(self) -> list[int]:
        sql = "SELECT attempts FROM attempt WHERE due_us IS NOT NULL"
        return sorted(row[0] for row in await self.world.store.read(sql))

    async def restart(self, *, crash: bool = False) -> None:
        """End the notifier, in an orderly way or not, and start it again."""
        await (self.world.crash() if crash else self.world.stop())
        await self.world.start(webhooks=self.settings)


def config(authority: Authority, **fields: Any) -> WebhookConfig:
    """Lets webhooks go to this machine."""
    return WebhookConfig(**{"networks": LOOPBACK, "ca_file": str(authority.ca_file), **fields})


async def here(host: str, port: int) -> Sequence[str]:
    """Every name leads to this machine."""
    return ["127.0.0.1"]


@asynccontextmanager
async def hooked(folder: Path, url: str = "", *, kills: bool = False, **fields: Any) -> AsyncIterator[Hooked]:
    """Everything running; `fields` are of the WebhookConfig."""
    authority, clock = Authority(folder), StandingClock()
    settings = config(authority, **fields)
    async with (
        AsyncExitStack() as stack,
        world(folder, url, kills=kills, clock=clock, lookup=here, webhooks=settings) as w,
    ):
        yield Hooked(w, clock, authority, stack, settings)
