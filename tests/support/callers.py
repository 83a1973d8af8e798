"""Callers of two replicas over one PostgreSQL, what befalls the replicas, and what the callers see.

- The replicas' clocks are ten minutes apart. The first reaches PostgreSQL directly, the second through a proxy that can
  be cut, at a chosen message too.
- A caller gives up after a moment, and does not ask again: it has learnt nothing about the outcome of a write.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.channel import call
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty
from tests.support import history as hs
from tests.support.cluster import PURPOSES, Service, prepare, service
from tests.support.consent import NOTICE, TENANT, email, migrated, request_id
from tests.support.history import Key
from tests.support.linearizability import Operation
from tests.support.postgres import External
from tests.support.tcp_proxy import TcpProxy

CALLERS = 10
PATIENCE_SECONDS = 0.6
"""What a caller waits for an answer; after that the outcome is unknown to it."""
UNREACHABLE = "nats://127.0.0.1:1"
"""Carrying the log is not the matter here, and must not be needed."""
OUTCOME_OPEN = {Reason.STORE_UNAVAILABLE, Reason.DEADLINE_EXCEEDED, Reason.SHUTTING_DOWN, Reason.OVERLOADED}


def now() -> float:
    """Seconds by the machine's one clock that goes on while processes sleep."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass
class Pair:
    """Two replicas; the second reaches PostgreSQL through a proxy that can be cut."""

    replicas: Sequence[Service]
    proxy: TcpProxy

    async def fault(self, chance: random.Random, *, stall: float = 1.0) -> str:
        """One fault, over when this returns, but for what it left in the callers' minds."""
        kind = chance.choice(("freeze", "freeze", "cut", "cut", "commit lost", "commit unheard", "kill"))
        victim = chance.choice(self.replicas)
        if kind == "freeze":
            victim.freeze()
            await asyncio.sleep(chance.uniform(0.1, stall))
            victim.thaw()
        elif kind == "cut":
            self.proxy.cut_all()
        elif kind == "commit lost":
            self.proxy.cut_before(b"COMMIT\0")
        elif kind == "commit unheard":
            self.proxy.cut_after(b"COMMIT\0")
        else:
            await victim.kill()
            await victim.start(tries=3)  # its first COMMIT may be the one that is cut
        return kind


@contextlib.asynccontextmanager
async def pair(folder: Path, postgres: External, flaw: str = "", staleness_ms: int = 200) -> AsyncIterator[Pair]:
    """Both up, the catalogue loaded. With a flaw, the first has it."""
    store, keys = postgres.database(), postgres.database()
    await migrated(store, keys)
    parts = urlsplit(store)
    environment = {"CONSENTLEDGER_STALENESS_MS": str(staleness_ms)}
    try:
        async with TcpProxy(parts.hostname or "", parts.port or 5432) as proxy:
            login = f"{parts.username}:{parts.password}@" if parts.password else f"{parts.username}@"
            through = urlunsplit(parts._replace(netloc=f"{login}127.0.0.1:{proxy.port}", query="sslmode=disable"))
            common: dict[str, Any] = {"keys": keys, "nats": UNREACHABLE, "environment": environment}
            async with (
                service(folder, store=store, clock_offset=-300, flaw=flaw, **common) as behind,
                service(folder, store=through, clock_offset=300, **common) as ahead,
            ):
                await prepare(behind.address)
                yield Pair((behind, ahead), proxy)
    finally:
        postgres.drop(store)
        postgres.drop(keys)


@dataclass
class Callers:
    """What ten callers do and see, on a few keys of persons whom nobody has met before."""

    pair: Pair
    chance: random.Random
    wanted: int
    """Operations; a call that asks about two keys counts as two."""
    seen: dict[Key, list[Operation]] = field(default_factory=dict)
    unknown: int = 0

    def __post_init__(self) -> None:
        for _ in range(3):
            self.seen |= {key: [] for key in keys_of(request_id())}

    @property
    def done(self) -> int:
        """Operations so far."""
        return sum(len(operations) for operations in self.seen.values())

    async def play(self) -> None:
        """All callers, until there are enough operations."""
        await asyncio.gather(*(self._caller() for _ in range(CALLERS)))

    async def _caller(self) -> None:
        keys = list(self.seen)
        while self.done < self.wanted:
            key, stub, kind = (
                self.chance.choice(keys),
                self.chance.choice(self.pair.replicas).stub,
                self.chance.random(),
            )
            if kind < 0.5:
                await self._check(stub, key)
            elif kind < 0.55:
                await self._check_many(stub, keys)
            elif kind < 0.73:
                await self._record(stub, key, hs.GRANTED)
            elif kind < 0.83:
                await self._record(stub, key, hs.DENIED)
            elif kind < 0.97:
                await self._withdraw(stub, [key])
            else:
                await self._withdraw(stub, [k for k in keys if k.person == key.person], every=True)

    async def _call(self, rpc: Any, request: Any, *, hasty: bool = False) -> tuple[float, float, Any]:
        """(start, end, answer); no answer and no end when the outcome is not known."""
        patience = PATIENCE_SECONDS
        if hasty and self.chance.random() < 0.02:
            patience = self.chance.uniform(0.001, 0.01)  # gives up while it is being done
        start = now()
        try:
            answer = await call(rpc, request, patience)
        except LedgerError as error:
            if error.reason not in OUTCOME_OPEN:
                raise
            return start, inf, None
        return start, now(), answer

    async def _check(self, stub: Any, key: Key) -> None:
        start, end, answer = await self._call(stub.CheckConsent, question(key))
        if answer is not None:
            self.seen[key].append(hs.check(start, end, seen_in(answer)))

    async def _check_many(self, stub: Any, keys: Sequence[Key]) -> None:
        items = [cs.CheckItem(subject=email(k.person), purpose=k.purpose, jurisdiction=k.jurisdiction) for k in keys]
        request = cs.BatchCheckConsentRequest(tenant=TENANT, items=items)
        start, end, answer = await self._call(stub.BatchCheckConsent, request)
        for key, result in zip(keys, answer.results if answer is not None else (), strict=answer is not None):
            self.seen[key].append(hs.check(start, end, seen_in(result)))

    async def _record(self, stub: Any, key: Key, state: int) -> None:
        said = ty.CHOICE_GRANT if state == hs.GRANTED else ty.CHOICE_DENY
        choices = [cs.ConsentChoice(purpose=key.purpose, choice=said)]
        request = cs.RecordConsentRequest(choices=choices, notice_version=NOTICE, **whose(key))
        self._wrote([key], state, *await self._call(stub.RecordConsent, request, hasty=True))

    async def _withdraw(self, stub: Any, keys: Sequence[Key], *, every: bool = False) -> None:
        purposes = [] if every else [key.purpose for key in keys]
        request = cs.WithdrawConsentRequest(purposes=purposes, **whose(keys[0]))
        self._wrote(keys, hs.WITHDRAWN, *await self._call(stub.WithdrawConsent, request, hasty=True))

    def _wrote(self, keys: Sequence[Key], state: int, start: float, end: float, answer: Any) -> None:
        if answer is None:
            self.unknown += len(keys)
        stands = {s.purpose: s for s in answer.states} if answer is not None else {}
        for key in keys:
            position = 0
            if answer is not None:
                made = stands[key.purpose]
                assert made.state == state and not made.superseded, "a live act always takes effect"
                position = made.position
            self.seen[key].append(hs.write(start, end, state, position))


def keys_of(person: str) -> list[Key]:
    """One that is refused until granted, one that is allowed until refused."""
    return [Key(person, PURPOSES[0], "DE", opt_out=False), Key(person, PURPOSES[1], "US-CA", opt_out=True)]


def whose(key: Key) -> dict[str, Any]:
    """The fields that every act has."""
    return {"request_id": request_id(), "tenant": TENANT, "subject": email(key.person)}


def question(key: Key, **how: Any) -> cs.CheckConsentRequest:
    """Asks about a key."""
    return cs.CheckConsentRequest(
        tenant=TENANT, subject=email(key.person), purpose=key.purpose, jurisdiction=key.jurisdiction, **how
    )


def seen_in(answer: Any) -> hs.Seen:
    """What an answer says."""
    return hs.Seen(answer.decision == ty.DECISION_ALLOWED, answer.state, answer.position)
