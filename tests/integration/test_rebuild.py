"""P8: every projection can be dropped and rebuilt by replay, and then gives the same answers."""

import asyncio
from pathlib import Path

from consentledger.rpc.channel import call
from consentledger.store.ledger import Store
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from services.consent.projection.rebuild import Rebuilt, digest, rebuild
from services.consent.projection.tables import KEYS
from tests.support.consent import NOTICE, TENANT, Ledger, email, ledger, request_id

UNREACHABLE = "nats://127.0.0.1:1"


async def populate(running: Ledger, people: int, first: int = 0) -> None:
    """Acts of every kind that leaves a row."""
    c = running.consent
    for n in range(first, first + people):
        subject = email(f"p{n}")
        choice = cs.ConsentChoice(purpose="marketing.email", choice=ty.CHOICE_GRANT if n % 3 else ty.CHOICE_DENY)
        common = {"request_id": request_id(), "tenant": TENANT, "subject": subject}
        where = ty.Context(jurisdiction="DE")
        await call(
            c.RecordConsent,
            cs.RecordConsentRequest(choices=[choice], notice_version=NOTICE, context=where, **common),
            10,
        )
        common["request_id"] = request_id()
        if n % 4 == 0:
            await call(c.WithdrawConsent, cs.WithdrawConsentRequest(**common), 10)
        if n % 5 == 0:
            preference = ev.Preference(channel="email", topic="news", frequency="weekly")
            await call(c.UpdatePreferences, cs.UpdatePreferencesRequest(preferences=[preference], **common), 10)
        if n % 6 == 0:
            await call(c.SetRestriction, cs.SetRestrictionRequest(**common), 10)
        if n % 7 == 1:
            other = email(f"p{n - 1}")
            linking = cs.LinkIdentifiersRequest(request_id=request_id(), tenant=TENANT, left=subject, right=other)
            await call(c.LinkIdentifiers, linking, 10)


async def drop(store: Store) -> None:
    """Empty every table of the projection."""
    async with store.write() as tx:
        for table in KEYS:
            await tx.executemany(f"DELETE FROM {table}", [()])


async def digest_of(store: Store) -> str:
    async with store.write() as tx:
        return await digest(tx)


async def test_a_dropped_projection_is_rebuilt_to_the_same_digest(tmp_path: Path, store_url: str) -> None:
    async with ledger(tmp_path, store_url, UNREACHABLE) as running:
        await populate(running, 40)
        question = cs.GetConsentStateRequest(tenant=TENANT, subject=email("p8"))
        answer = await call(running.consent.GetConsentState, question, 10)
        before = await digest_of(running.store)
        await drop(running.store)
        assert await digest_of(running.store) != before
        seen: list[tuple[int, int]] = []
        rebuilt = await rebuild(running.store, lambda done, of: seen.append((done, of)))
        assert rebuilt.after == before == await digest_of(running.store)
        assert seen[-1] == (41, 41)
        assert await call(running.consent.GetConsentState, question, 10) == answer


async def test_a_rebuild_while_writing_goes_on_misses_nothing(tmp_path: Path, store_url: str) -> None:
    async with ledger(tmp_path, store_url, UNREACHABLE) as running:
        await populate(running, 30)
        writing = asyncio.create_task(populate(running, 60, first=20))
        rebuilds = 0
        while not writing.done():
            rebuilt = await rebuild(running.store)
            assert rebuilt.before == rebuilt.after
            rebuilds += 1
        await writing
        rebuilt = await rebuild(running.store)
        assert rebuilt.before == rebuilt.after
        assert rebuilds >= 1


async def test_a_row_changed_by_hand_is_found_and_mended(tmp_path: Path, store_url: str) -> None:
    async with ledger(tmp_path, store_url, UNREACHABLE) as running:
        await populate(running, 5)
        async with running.store.write() as tx:
            await tx.executemany("UPDATE consent_state SET version = version + 1", [()])
        rebuilt = await rebuild(running.store)
        assert rebuilt.before != rebuilt.after
        again = await rebuild(running.store)
        assert again.before == again.after == rebuilt.after


async def test_two_rebuilds_at_once_never_leave_a_partial_table(tmp_path: Path, store_url: str) -> None:
    async with ledger(tmp_path, store_url, UNREACHABLE) as running:
        await populate(running, 30)
        before = await digest_of(running.store)
        outcomes = await asyncio.gather(*(rebuild(running.store) for _ in range(2)), return_exceptions=True)
        assert await digest_of(running.store) == before
        for outcome in outcomes:
            assert isinstance(outcome, Rebuilt | Exception)
            if isinstance(outcome, Rebuilt):
                assert outcome.before == outcome.after == before
        assert (await rebuild(running.store)).after == before
