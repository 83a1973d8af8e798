"""P2 under load: many writers at once, on one person and on many, and two replicas whose clocks disagree."""

import asyncio
from collections import Counter
from itertools import pairwise
from pathlib import Path

from consentledger.v1 import events_pb2 as ev
from tests.support.asking import MAIL, check, grant, states, why, withdraw
from tests.support.consent import Ledger, clock, ledger
from tests.support.nats import nats_server

WRITERS = 64
FIVE_MINUTES_US = 300_000_000


async def read_log(running: Ledger) -> list[ev.LedgerEntry]:
    """All entries, after the checks that hold for every log: gapless, in order of time, streams gapless too."""
    found = await running.store.entries(0, 100_000)
    assert [e.position for e in found] == list(range(1, (await running.store.head()).position + 1))
    log = [ev.LedgerEntry.FromString(e.leaf) for e in found]
    assert all(a.recorded_at.ToMicroseconds() < b.recorded_at.ToMicroseconds() for a, b in pairwise(log))
    versions: Counter[bytes] = Counter()
    for entry in log:
        versions[entry.stream] += 1
        assert entry.version == versions[entry.stream]
    return log


def last_word(log: list[ev.LedgerEntry], purpose: str) -> str:
    """What stands by the log alone: acts without a told time count in the order recorded."""
    state = ""
    for entry in log:
        if entry.type == "consent.recorded.v1" and entry.header.consent_recorded.purpose == purpose:
            state = {1: "GRANTED", 2: "DENIED"}[entry.header.consent_recorded.choice]
        elif entry.type == "consent.withdrawn.v1" and purpose in (entry.header.consent_withdrawn.purposes or [purpose]):
            state = "WITHDRAWN"
    return state


async def test_many_writers_on_one_person_leave_one_history_and_the_state_it_says(
    tmp_path: Path, store_url: str
) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:

        async def writer(number: int) -> None:
            if number % 3 == 0:
                answer = await grant(running, "ada", MAIL, "marketing.sms")
            elif number % 3 == 1:
                answer = await grant(running, "ada", MAIL, deny=True)
            else:
                answer = await withdraw(running, "ada", *(["marketing.sms"] if number % 2 else []))
            assert not any(s.superseded for s in answer.states)

        before = (await running.store.head()).position
        await asyncio.gather(*(writer(number) for number in range(WRITERS)))
        log = await read_log(running)
        wrote = Counter(entry.type for entry in log[before:])
        assert wrote == {"subject.opened.v1": 1, "consent.recorded.v1": 22 * 2 + 21, "consent.withdrawn.v1": 21}
        expected = {p: last_word(log, p) for p in (MAIL, "marketing.sms")}
        stands = await states(running, "ada")
        assert {p: stands[p] for p in expected} == expected
        for purpose, state in expected.items():
            assert (await why(running, "ada", purpose)).startswith("ALLOWED") is (state == "GRANTED")
        people = await running.store.read("SELECT count(*) FROM consent_state WHERE purpose = $1", MAIL)
        assert people == [(1,)]


async def test_every_writer_reads_what_was_just_acknowledged(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:

        async def writer(number: int) -> None:
            name = f"person{number}"
            for _ in range(2):
                await grant(running, name)
                assert await why(running, name) == "ALLOWED GRANTED"
                acknowledged = await withdraw(running, name)
                answer = await check(running, name)
                assert (answer.decision, answer.position) == (2, acknowledged.states[-1].position)

        before = (await running.store.head()).position
        await asyncio.gather(*(writer(number) for number in range(WRITERS)))
        log = await read_log(running)
        assert len(log) - before == WRITERS * 5
        assert len({entry.stream for entry in log[before:]}) == WRITERS


async def test_two_replicas_with_clocks_five_minutes_apart_keep_one_order(tmp_path: Path, postgres_url: str) -> None:
    """The one that is ahead grants, the one that is behind withdraws: the withdrawal holds, on both, at once."""
    async with (
        nats_server() as nats,
        ledger(tmp_path, postgres_url, nats.url, keys_url=postgres_url, bus=await nats.bus("behind")) as behind,
        ledger(
            tmp_path, postgres_url, nats.url, keys_url=postgres_url, bus=await nats.bus("ahead"), catalogue=False,
            now=lambda: clock() + FIVE_MINUTES_US,
        ) as ahead,
    ):  # fmt: skip
        for _ in range(3):
            await grant(ahead, "ada")
            assert await why(behind, "ada") == await why(ahead, "ada") == "ALLOWED GRANTED"
            answer = await withdraw(behind, "ada", MAIL)
            assert not answer.states[0].superseded
            assert await why(behind, "ada") == await why(ahead, "ada") == "NOT_ALLOWED WITHDRAWN"

        async def writer(number: int) -> None:
            here, there = (ahead, behind) if number % 2 else (behind, ahead)
            name = f"person{number % 16}"  # four writers each, two on either side
            await grant(here, name)
            await withdraw(there, name, MAIL)
            await grant(there, f"own{number}")
            assert await why(here, f"own{number}") == "ALLOWED GRANTED"
            await withdraw(here, f"own{number}", MAIL)
            assert await why(there, f"own{number}") == "NOT_ALLOWED WITHDRAWN"

        await asyncio.gather(*(writer(number) for number in range(WRITERS)))
        log = await read_log(behind)
        opened = [entry.stream for entry in log if entry.type == "subject.opened.v1"]
        assert len(opened) == len(set(opened)) == 1 + 16 + WRITERS  # both sides found one person for one identifier
        for number in range(16):
            assert await states(ahead, f"person{number}") == await states(behind, f"person{number}")
        published = log[-1].recorded_at.ToMicroseconds()
        assert published > clock() + FIVE_MINUTES_US // 2, "the clock that is ahead leads, and never goes back"
