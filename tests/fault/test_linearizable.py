"""P2 over two replicas whose clocks are ten minutes apart, while they are frozen, killed and cut off.

Ten callers grant, deny, withdraw and check on few keys. What they saw must be linearizable, key by key, a call of
unknown outcome counting as one that never returned; and, said without any search, no check that was asked after an
acknowledged refusal, and before a newer grant was asked for, answered ALLOWED. Told times are left out: acts are live.
"""

import asyncio
import random
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import history as hs
from tests.support.callers import Callers, Pair, now, pair
from tests.support.linearizability import Operation
from tests.support.nats import eventually
from tests.support.postgres import External

pytestmark = pytest.mark.fault

LEAST_PER_SECOND = 50
LEAST_UNKNOWN = 0.01
"""Of the writes."""


async def play(pair: Pair, seed: int, operations: int, *, faults: bool = True, stall: float = 1.0) -> Callers:
    """One history, with a fault after each of several stretches of it."""
    chance = random.Random(seed)
    callers = Callers(pair, random.Random(seed + 1), operations)
    start = now()
    playing = asyncio.create_task(callers.play())
    try:
        for part in range(1, 8 if faults else 1):
            wanted = operations * part // 8
            await eventually(lambda n=wanted: callers.done >= n or playing.done(), 60)  # type: ignore[misc]
            await pair.fault(chance, stall=stall)
        async with asyncio.timeout(60):
            await playing
    finally:
        playing.cancel()
    rate = callers.done / (now() - start)
    print(f"{callers.done} operations, {rate:.0f} a second")
    assert not faults or rate >= LEAST_PER_SECOND, f"only {rate:.0f} operations a second: too little to prove anything"
    return callers


def not_linearizable(callers: Callers) -> list[tuple[str, Operation]]:
    """The keys whose history nothing explains."""
    found = ((key.purpose, hs.not_linearizable(key, operations)) for key, operations in callers.seen.items())
    return [(purpose, wrong) for purpose, wrong in found if wrong is not None]


async def histories(
    folder: Path, postgres: External, count: int, operations: int, record_property: Callable[[str, object], None]
) -> None:
    """Play and check so many."""
    seed = secrets.randbits(32)
    print(f"\nseed {seed}")
    done = writes = unknown = asked = 0
    async with pair(folder, postgres) as replicas:
        for number in range(count):
            stall = 6.5 if number % 5 == 4 else 1.0  # longer than a writer may hold the log's head
            callers = await play(replicas, seed + 2 * number, operations, stall=stall)
            assert not_linearizable(callers) == []
            for seen in callers.seen.values():
                relevant, wrong = hs.refusal_violations(seen)
                assert wrong == []
                asked += relevant
                writes += len(hs.writes(seen))
            done, unknown = done + callers.done, unknown + callers.unknown
        defects = [defect for one in replicas.replicas for defect in one.defects]
        print(*defects, sep="\n", end="")
        assert defects == []
    assert unknown >= LEAST_UNKNOWN * writes, "too few unknown outcomes to prove anything"
    record_property("operations", done)
    print(f"{count} histories, {done} operations, {writes} writes, {unknown} of unknown outcome: linearizable")
    print(f"0 of {asked} checks asked after a refusal answered ALLOWED; at 95 %: < {3 / asked:.2g}")
    assert asked >= done // 20


async def test_two_replicas_with_clocks_apart_are_linearizable_through_faults(
    tmp_path: Path, postgres: External, record_property: Callable[[str, object], None]
) -> None:
    await histories(tmp_path, postgres, 2, 1_500, record_property)


@pytest.mark.slow
async def test_twenty_long_histories_are_linearizable(
    tmp_path: Path, postgres: External, record_property: Callable[[str, object], None]
) -> None:
    await histories(tmp_path, postgres, 20, 5_000, record_property)


async def test_a_replica_that_answers_from_memory_is_found_out(tmp_path: Path, postgres: External) -> None:
    keys, allowed, rounds = 0, 0, 0
    async with pair(tmp_path, postgres, flaw="answers-from-memory") as replicas:
        while not allowed and rounds < 5:
            callers = await play(replicas, secrets.randbits(32), 1_000, faults=False)
            found = len(not_linearizable(callers))
            assert found, "the checker found nothing"
            keys, rounds = keys + found, rounds + 1
            allowed += sum(len(hs.refusal_violations(seen)[1]) for seen in callers.seen.values())
    print(f"{rounds} histories: {keys} of {6 * rounds} keys not linearizable, {allowed} ALLOWED after a refusal")
    assert allowed
