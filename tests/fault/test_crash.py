"""P1 and P10 through `kill -9`: sixteen writers, and the service, nats-server and PostgreSQL killed in turn under them.

Each writer repeats a write with the same request_id until it is acknowledged. Every write carries its request_id into
the log as well (as its collector), so what the log holds is counted without trusting the table of answers. Afterwards:

- no acknowledged write is lost, none is doubled or torn, positions are gapless;
- every repeat returns the first answer, byte for byte, and writes nothing;
- the stream LEDGER holds the whole log, each entry at its own position;
- the projection is what a replay makes of the log, and fsck finds nothing;
- every checkpoint that was handed out, before and between the kills, is one of the log as it is in the end: there never
  were two trees of one size.
"""

import asyncio
import random
import secrets
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from consentledger.bus.streams import stream_state
from consentledger.errors import LedgerError, Reason
from consentledger.rpc.channel import call
from consentledger.store.ledger import Entry, Store
from consentledger.store.open import open_store
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from services.consent.projection.rebuild import rebuild
from services.consent.projection.tables import MIGRATIONS
from services.fsck import fsck
from tests.support.checkpoints import Checkpoints
from tests.support.cluster import PURPOSES, Service, prepare
from tests.support.consent import NOTICE, TENANT, email, request_id
from tests.support.deployments import Deployment, embedded, on_servers
from tests.support.nats import eventually, stored

pytestmark = pytest.mark.fault

WRITERS = 16
LEAST_WRITES = 100
"""Acknowledged for each cycle; a run with fewer proves little, and fails."""
OUTCOME_OPEN = {Reason.STORE_UNAVAILABLE, Reason.DEADLINE_EXCEEDED, Reason.SHUTTING_DOWN, Reason.OVERLOADED}


@dataclass
class Traffic:
    """Writers that never give up, and what they were told."""

    service: Service
    chance: random.Random
    acknowledged: dict[str, tuple[str, Any, Any]] = field(default_factory=dict)
    """request_id -> (method, request, answer)."""
    in_doubt: set[str] = field(default_factory=set)
    """request_ids whose caller, at first, did not learn the outcome."""
    stopping: bool = False

    def _next(self) -> tuple[str, Any]:
        chance, id = self.chance, request_id()
        name = f"new-{id}" if chance.random() < 0.1 else f"p{chance.randrange(24)}"
        context = ty.Context(collector=id, method="test", note="sealed")
        common: dict[str, Any] = {"request_id": id, "tenant": TENANT, "subject": email(name), "context": context}
        purposes = chance.sample(PURPOSES, chance.randint(1, 2))
        kind = chance.random()
        if kind < 0.6:
            said = ty.CHOICE_GRANT if chance.random() < 0.5 else ty.CHOICE_DENY
            choices = [cs.ConsentChoice(purpose=p, choice=said) for p in purposes]
            return "RecordConsent", cs.RecordConsentRequest(choices=choices, notice_version=NOTICE, **common)
        named = [] if chance.random() < 0.3 else purposes
        if kind < 0.9:
            return "WithdrawConsent", cs.WithdrawConsentRequest(purposes=named, **common)
        return "RecordObjection", cs.RecordObjectionRequest(purposes=named, **common)

    async def acknowledgement(self, method: str, request: Any) -> Any:
        """The answer, however often it takes."""
        while True:
            try:
                return await call(getattr(self.service.stub, method), request, 10)
            except LedgerError as error:
                if error.reason not in OUTCOME_OPEN:
                    raise
                self.in_doubt.add(request.request_id)
                await asyncio.sleep(0.05)

    async def write(self) -> None:
        """One writer."""
        while not self.stopping:
            method, request = self._next()
            answer = await self.acknowledgement(method, request)
            self.acknowledged[request.request_id] = (method, request, answer)


async def crash(deployment: Deployment, victims: Sequence[str], cycles: int) -> Traffic:
    """Kill in turn, each time in the midst of writing; then let every write be acknowledged."""
    seed = secrets.randbits(32)
    print(f"\nseed {seed}")
    chance = random.Random(seed)
    traffic = Traffic(deployment.service, random.Random(seed + 1))
    writers = [asyncio.create_task(traffic.write()) for _ in range(WRITERS)]
    try:
        for cycle in range(cycles):
            wanted = len(traffic.acknowledged) + LEAST_WRITES + chance.randrange(2 * LEAST_WRITES)
            await eventually(partial(has_written, traffic, writers, wanted), 60)
            await asyncio.sleep(chance.random() * 0.02)  # so that the moment is nobody's choice
            await deployment.crash(victims[cycle % len(victims)])
        traffic.stopping = True
        async with asyncio.timeout(60):
            await asyncio.gather(*writers)
    finally:
        if deployment.service.defects:
            print(deployment.service.defects)
        for writer in writers:
            writer.cancel()
    assert len(traffic.acknowledged) >= cycles * LEAST_WRITES, "too little traffic to prove anything"
    return traffic


def has_written(traffic: Traffic, writers: Sequence["asyncio.Task[None]"], wanted: int) -> bool:
    """Whether so many writes are acknowledged, or a writer has failed, which the caller will hear of."""
    return len(traffic.acknowledged) >= wanted or any(w.done() for w in writers)


async def entries_of(store: Store) -> list[Entry]:
    """The whole log."""
    found: list[Entry] = []
    while page := await store.entries(len(found), 2000):
        found += page
    return found


def marks(entries: list[Entry]) -> dict[str, list[int]]:
    """Where each request_id is in the log."""
    found: dict[str, list[int]] = {}
    for entry in entries:
        header = ev.LedgerEntry.FromString(entry.leaf).header
        body = getattr(header, header.WhichOneof("kind") or "")
        if hasattr(body, "act") and body.act.collector:
            found.setdefault(body.act.collector, []).append(entry.position)
    return found


def lost(traffic: Traffic, log: dict[str, list[int]]) -> list[str]:
    """Acknowledged writes that the log does not hold."""
    return [id for id in traffic.acknowledged if id not in log]


def events_of(request: Any) -> int:
    """How many entries a write makes."""
    return len(request.choices) if isinstance(request, cs.RecordConsentRequest) else 1


async def repeated(traffic: Traffic) -> None:
    """Send every write again: each gets its first answer."""
    turns = asyncio.Semaphore(WRITERS)

    async def again(method: str, request: Any, answer: Any) -> None:
        async with turns:
            assert await traffic.acknowledgement(method, request) == answer

    await asyncio.gather(*(again(*write) for write in traffic.acknowledged.values()))


async def head(running: Service) -> int:
    """The log's newest position, as the service says."""
    question = cs.GetConsentStateRequest(tenant=TENANT, subject=email("p0"))
    token = (await call(running.stub.GetConsentState, question, 10)).consistency_token
    return int(ev.ConsistencyTokenData.FromString(urlsafe_b64decode(token + "=" * (-len(token) % 4))).position)


async def carried(deployment: Deployment, last: int) -> list[bytes]:
    """The bodies in LEDGER once it has caught up; sequence is position."""
    bus = await deployment.bus()
    try:

        async def caught_up() -> bool:
            state = await stream_state(bus, "LEDGER")
            return state is not None and state.last >= last

        await eventually(caught_up, 60)
        state = await stream_state(bus, "LEDGER")
        assert state is not None and (state.first, state.last, state.messages) == (1, last, last)
        messages = await stored(bus, "LEDGER", 1, last)
    finally:
        await bus.close()
    assert [sequence for sequence, _, _ in messages] == list(range(1, last + 1))
    return [body for _, _, body in messages]


async def check_everything(deployment: Deployment, traffic: Traffic, checkpoints: Checkpoints) -> None:
    """See the module's list."""
    before = await head(deployment.service)
    await repeated(traffic)
    assert await head(deployment.service) == before, "a repeat wrote something"
    in_stream = await carried(deployment, before)
    await deployment.service.stop()
    store = await open_store(deployment.store_url, "consent", MIGRATIONS)
    try:
        entries = await entries_of(store)
        assert [e.position for e in entries] == list(range(1, before + 1))
        assert [e.leaf for e in entries] == in_stream
        versions = Counter(e.stream for e in entries)
        assert sum(n * (n + 1) // 2 for n in versions.values()) == sum(e.version for e in entries)
        log = marks(entries)
        assert lost(traffic, log) == []
        wanted = {id: events_of(request) for id, (_, request, _) in traffic.acknowledged.items()}
        assert {id: len(places) for id, places in log.items()} == wanted
        for id, (_, _, answer) in traffic.acknowledged.items():
            assert {s.position for s in answer.states} == set(log[id])
        checkpoints.compare(entries)
        rebuilt = await rebuild(store)
        assert rebuilt.before == rebuilt.after
    finally:
        await store.close()
    [found] = (await fsck(deployment.settings, lambda log, done, of: None, ["consent"])).logs
    assert found.findings.clean, found.findings.firsts
    assert found.guarded == before


Deploy = Callable[[Path], AbstractAsyncContextManager[Deployment]]


async def survive(
    deploy: Deploy,
    folder: Path,
    cycles: int,
    record_property: Callable[[str, object], None],
    victims: Sequence[str] = (),
) -> None:
    """Crash and check."""
    async with deploy(folder) as deployment:
        await prepare(deployment.service.address)
        checkpoints = Checkpoints(deployment.service)
        watching = asyncio.create_task(checkpoints.watch())
        try:
            traffic = await crash(deployment, victims or deployment.victims, cycles)
        finally:
            watching.cancel()
            [ended] = await asyncio.gather(watching, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError), ended
        await check_everything(deployment, traffic, checkpoints)
        assert len(traffic.in_doubt) >= cycles, "the kills met nobody"
        assert deployment.service.defects == [], deployment.service.defects
    n = len(traffic.acknowledged)
    record_property("acknowledged", n)
    print(f"{cycles} kills, {n} writes acknowledged, {len(traffic.in_doubt)} of them in doubt: 0 lost, 0 doubled")
    print(f"{len(checkpoints.roots)} checkpoints handed out: all of one history")
    print(f"at 95 %: < {3 / cycles:.2g} per kill, < {3 / n:.2g} per write")


@pytest.mark.parametrize("deploy", [embedded, on_servers])
async def test_killing_any_process_loses_and_doubles_nothing(
    deploy: Deploy, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    await survive(deploy, tmp_path, 4, record_property)


@pytest.mark.slow
@pytest.mark.parametrize("deploy", [embedded, on_servers])
async def test_killing_any_process_sixty_times_loses_and_doubles_nothing(
    deploy: Deploy, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    await survive(deploy, tmp_path, 60, record_property)


@pytest.mark.slow
async def test_killing_postgresql_thirty_times_loses_nothing_and_forks_nothing(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    await survive(on_servers, tmp_path, 30, record_property, ("postgresql",))


async def test_a_service_that_acknowledges_before_the_commit_is_found_out(tmp_path: Path) -> None:
    async with embedded(tmp_path, "acknowledges-before-commit") as deployment:
        await prepare(deployment.service.address)
        traffic = await crash(deployment, ("service",), 5)
        await deployment.service.stop()
        store = await open_store(deployment.store_url, "consent", MIGRATIONS)
        try:
            found = lost(traffic, marks(await entries_of(store)))
        finally:
            await store.close()
    print(f"5 kills, {len(traffic.acknowledged)} writes acknowledged, {len(found)} of them lost")
    assert found
