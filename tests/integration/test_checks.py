"""What a check reads: how fresh, from which moment, as far as it was known then, and many at once. On both stores."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from consentledger.errors import LedgerError
from consentledger.rpc import channel
from consentledger.store.token import token
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty
from services.consent.service import ConsentConfig
from tests.support.asking import MAIL, Clock, act, check, grant, instant, states, why, withdraw
from tests.support.consent import TENANT, Ledger, email, ledger
from tests.support.nats import nats_server

HOUR = 3600
BOUND = 0.3
FAST = ty.Consistency(minimize_latency=True)


async def refused(call: Any) -> str:
    """The reason."""
    with pytest.raises(LedgerError) as caught:
        await call
    return str(caught.value.reason)


def fresh(text: str) -> ty.Consistency:
    """At least as fresh as a token."""
    return ty.Consistency(at_least_as_fresh=text)


async def test_every_answer_carries_a_token_that_every_read_accepts(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        written = await grant(running, "ada")
        read = await check(running, "ada", consistency=fresh(written.consistency_token))
        assert read.decision == ty.DECISION_ALLOWED
        assert read.consistency_token == written.consistency_token
        later = await withdraw(running, "ada")
        assert later.consistency_token != read.consistency_token
        for old in (written.consistency_token, read.consistency_token, later.consistency_token):
            assert await why(running, "ada", consistency=fresh(old)) == "NOT_ALLOWED WITHDRAWN"


async def test_a_token_ahead_or_of_another_log_is_refused(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        head = await running.store.head()

        async def ask(rpc: str, text: str) -> Any:
            request = getattr(cs, f"{rpc}Request")(tenant=TENANT, consistency=fresh(text))
            if rpc == "BatchCheckConsent":
                request.items.add(subject=email("ada"), purpose=MAIL, jurisdiction="DE")
            else:
                request.subject.CopyFrom(email("ada"))
            if rpc == "CheckConsent":
                request.purpose, request.jurisdiction = MAIL, "DE"
            return await channel.call(getattr(running.consent, rpc), request, 10)

        for rpc in ("CheckConsent", "BatchCheckConsent", "GetConsentState", "GetPreferences"):
            await ask(rpc, token("consent", head.epoch, head.position))
            assert await refused(ask(rpc, token("consent", head.epoch, head.position + 1))) == "TOKEN_AHEAD", rpc
            assert await refused(ask(rpc, token("consent", head.epoch, 2**63))) == "TOKEN_AHEAD", rpc
            assert await refused(ask(rpc, token("consent", head.epoch + 1, 1))) == "TOKEN_INVALID", rpc
            assert await refused(ask(rpc, token("notifier", head.epoch, 1))) == "TOKEN_INVALID", rpc


async def test_a_past_moment_is_answered_as_it_was(tmp_path: Path, store_url: str) -> None:
    clock = Clock()
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus(), now=clock) as running:
        at_first = clock.forward(HOUR)
        clock.forward(HOUR)
        await grant(running, "ada")
        granted = clock.forward(HOUR)
        clock.forward(HOUR)
        await withdraw(running, "ada")
        clock.forward(HOUR)

        async def at(us: int) -> str:
            return await why(running, "ada", as_of=instant(us))

        assert await at(at_first) == "NOT_ALLOWED NO_RECORD"
        assert await at(granted) == "ALLOWED GRANTED"
        assert await at(clock.now) == await why(running, "ada") == "NOT_ALLOWED WITHDRAWN"
        ahead = instant(clock.now + 1)
        assert await refused(check(running, "ada", as_of=ahead)) == "AS_OF_IN_FUTURE"
        assert await refused(check(running, "ada", known_at=ahead)) == "AS_OF_IN_FUTURE"


async def test_a_late_arrival_counts_from_when_it_happened_but_was_not_known_before_it_arrived(
    tmp_path: Path, store_url: str
) -> None:
    clock = Clock()
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus(), now=clock) as running:
        clock.forward(HOUR)
        await grant(running, "ada")
        happened = clock.forward(HOUR)
        between = clock.forward(HOUR)
        arrival = clock.forward(HOUR)
        late = await withdraw(running, "ada", MAIL, occurred_at=instant(happened))
        assert not late.states[0].superseded
        clock.forward(HOUR)

        async def at(as_of: int, known_at: int) -> str:
            return await why(running, "ada", as_of=instant(as_of), known_at=instant(known_at))

        assert await at(between, between) == "ALLOWED GRANTED"
        assert await at(between, arrival - 1) == "ALLOWED GRANTED"
        assert await at(between, clock.now) == "NOT_ALLOWED WITHDRAWN"
        assert await at(happened - 1, clock.now) == "ALLOWED GRANTED"
        assert await why(running, "ada", known_at=instant(between)) == "ALLOWED GRANTED"
        assert await why(running, "ada", as_of=instant(between)) == "NOT_ALLOWED WITHDRAWN"


async def test_a_late_grant_never_undoes_a_newer_withdrawal(tmp_path: Path, store_url: str) -> None:
    clock = Clock()
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus(), now=clock) as running:
        before = clock.forward(HOUR)
        clock.forward(HOUR)
        await withdraw(running, "ada", MAIL)
        clock.forward(HOUR)
        late = await grant(running, "ada", occurred_at=instant(before))
        assert late.states[0].superseded and late.states[0].state == ty.CONSENT_STATE_WITHDRAWN
        assert await why(running, "ada") == "NOT_ALLOWED WITHDRAWN"
        ahead = await grant(running, "ada", occurred_at=instant(clock.now + 500_000_000))
        assert not ahead.states[0].superseded and await why(running, "ada") == "ALLOWED GRANTED"
        await withdraw(running, "ada", MAIL)  # although the grant claims a later time
        assert await why(running, "ada") == "NOT_ALLOWED WITHDRAWN"


async def test_a_fast_check_is_never_older_than_its_bound(tmp_path: Path, postgres_url: str) -> None:
    """Two replicas: one withdraws, the other answers from memory, for no longer than it says."""

    def config(seconds: float) -> ConsentConfig:
        return ConsentConfig(rebuild_stream=True, first_tenant=TENANT, staleness_seconds=seconds)

    async with (
        nats_server() as nats,
        ledger(
            tmp_path, postgres_url, nats.url, keys_url=postgres_url, bus=await nats.bus("one"), config=config(BOUND)
        ) as one,
        ledger(
            tmp_path, postgres_url, nats.url, keys_url=postgres_url, bus=await nats.bus("two"), config=config(600),
            catalogue=False,
        ) as two,
    ):  # fmt: skip
        await grant(one, "ada")
        for running in (one, two):
            assert await why(running, "ada", consistency=FAST) == "ALLOWED GRANTED"
        await withdraw(one, "ada")
        acknowledged = time.monotonic()
        assert await why(one, "ada") == await why(two, "ada") == "NOT_ALLOWED WITHDRAWN"  # linearizable by default
        assert await why(two, "ada", consistency=FAST) == "ALLOWED GRANTED", "the memory under test is not used"
        while True:
            asked = time.monotonic()
            answer = await why(one, "ada", consistency=FAST)
            if asked - acknowledged > BOUND:
                assert answer == "NOT_ALLOWED WITHDRAWN"
                break
            await asyncio.sleep(0.01)


async def test_a_fast_check_never_remembers_that_somebody_is_unknown(tmp_path: Path, store_url: str) -> None:
    config = ConsentConfig(rebuild_stream=True, first_tenant=TENANT, staleness_seconds=600)
    async with (
        nats_server() as nats,
        ledger(tmp_path, store_url, nats.url, bus=await nats.bus(), config=config) as running,
    ):
        assert await why(running, "ada", consistency=FAST) == "NOT_ALLOWED NO_RECORD"
        assert await why(running, "ada", "marketing.post", consistency=FAST) == "ALLOWED NOT_OPTED_OUT"
        await withdraw(running, "ada", "marketing.post")
        assert await why(running, "ada", "marketing.post", consistency=FAST) == "NOT_ALLOWED WITHDRAWN"


async def people_of_all_kinds(running: Ledger) -> list[str]:
    """Ten persons, each in another state."""
    await asyncio.gather(
        grant(running, "p1", MAIL, "marketing.post"),
        grant(running, "p2", MAIL, deny=True),
        grant(running, "p3", MAIL, expires_at=instant(2_000_000_000_000_000)),
        grant(running, "p4", MAIL, notice_version="marketing-2023-04"),
        act(running, "RecordSignal", subject=email("p5"), kind=1, sec_gpc=["1"]),
        act(running, "SetRestriction", subject=email("p6")),
        withdraw(running, "p7"),
        act(running, "RecordObjection", subject=email("p8")),
        grant(running, "p9"),
    )
    await act(running, "LinkIdentifiers", left=email("p8"), right=email("p9"))
    return [f"p{n}" for n in range(10)]


async def test_a_batch_answers_each_as_a_single_check_would_in_order(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        people = await people_of_all_kinds(running)
        purposes = [MAIL, "marketing.post", "data.sale", "invoicing.retention", "research.study"]
        questions = [(n, p, j) for n in people for p in purposes for j in ("DE", "US-CA")] * 3
        request = cs.BatchCheckConsentRequest(tenant=TENANT)
        for name, purpose, place in questions:
            request.items.add(subject=email(name), purpose=purpose, jurisdiction=place)
        batch = await channel.call(running.consent.BatchCheckConsent, request, 20)
        singles = await asyncio.gather(*(check(running, *question) for question in questions))
        fields = ("decision", "reason", "state", "legal_basis", "position", "valid_until")
        assert len(batch.results) == len(singles)
        for question, one, single in zip(questions, batch.results, singles, strict=True):
            assert [getattr(one, f) for f in fields] == [getattr(single, f) for f in fields], question
        assert {s.consistency_token for s in singles} == {batch.consistency_token}
        assert len({(one.decision, one.reason) for one in batch.results}) > 8, "too much alike to tell order"


async def test_a_batch_with_one_unknown_purpose_or_place_answers_nothing(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        for purpose, place, reason in ((MAIL, "ZZ", "INVALID_FIELD"), ("no.such", "DE", "PURPOSE_UNKNOWN")):
            request = cs.BatchCheckConsentRequest(tenant=TENANT)
            request.items.add(subject=email("ada"), purpose=MAIL, jurisdiction="DE")
            request.items.add(subject=email("ada"), purpose=purpose, jurisdiction=place)
            assert await refused(channel.call(running.consent.BatchCheckConsent, request, 10)) == reason
        assert await states(running, "ada") == {}
