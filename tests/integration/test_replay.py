"""ReplayEvents and GetSubjectHistory: the log verbatim, leaves bound to what is stored, a timeline in pages."""

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest

from consentledger.crypto.envelope import CannotOpen, DataKey, event_aad
from consentledger.crypto.keyring import FileKeyring
from consentledger.errors import LedgerError
from consentledger.rpc.channel import call as ask
from consentledger.rpc.errors import from_rpc_error
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from tests.integration.test_watch import grant, head, withdraw
from tests.support.consent import NOTICE, TENANT, Ledger, email, ledger, request_id
from tests.support.nats import nats_server


async def replay(running: Ledger, **fields: Any) -> list[tuple[int, bytes]]:
    """(position, leaf) of everything in a range."""
    found: list[tuple[int, bytes]] = []
    request = au.ReplayEventsRequest(**{"tenant": TENANT, **fields})
    async for chunk in running.audit.ReplayEvents(request, timeout=20):
        assert len(chunk.positions) == len(chunk.leaves) <= 1_000
        assert chunk.head_position == await head(running)
        found += zip(chunk.positions, chunk.leaves, strict=True)
    return found


async def test_leaves_come_verbatim_and_stay_the_same(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats:
        bus = await nats.bus()
        async with ledger(tmp_path, store_url, nats.url, bus=bus) as running:
            await grant(running, "ada")
            await withdraw(running, "ada")
            first = await replay(running)
            assert first == [(e.position, e.leaf) for e in await running.store.entries(0, 1_000)]
            for position, leaf in first:
                entry = ev.LedgerEntry.FromString(leaf)
                assert entry.SerializeToString(deterministic=True) == leaf, "read and written again, it is the same"
                assert entry.format == 1, position
            times = [ev.LedgerEntry.FromString(leaf).recorded_at.ToMicroseconds() for _, leaf in first]
            assert all(a < b for a, b in pairwise(times))
        async with ledger(tmp_path, store_url, nats.url, bus=bus, catalogue=False) as running:
            await grant(running, "ben")
            again = await replay(running)
            assert again[: len(first)] == first
            assert [p for p, _ in again] == list(range(1, await head(running) + 1))
            assert len({hashlib.sha256(b"\0" + leaf).digest() for _, leaf in again}) == len(again)


async def test_ranges_types_and_tenants_narrow_it(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        for name in ("ada", "ben"):
            await grant(running, name)
            await withdraw(running, name)
        newest = await head(running)
        everything = await replay(running)
        assert await replay(running, from_position=3, to_position=5) == everything[2:5]
        assert await replay(running, from_position=newest) == everything[-1:]
        assert await replay(running, to_position=2**63 - 1) == everything
        assert await replay(running, from_position=newest + 1) == []
        assert await replay(running, from_position=7, to_position=6) == []
        wanted = ["consent.withdrawn.v1", "tenant.created.v1"]
        narrowed = await replay(running, types=wanted)
        assert narrowed == [(p, leaf) for p, leaf in everything if ev.LedgerEntry.FromString(leaf).type in wanted]
        assert len(narrowed) == 3
        assert await replay(running, types=["no.such.v1"]) == []
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await replay(running, tenant="other")
        assert from_rpc_error(refused.value).reason == "TENANT_UNKNOWN"


async def test_a_long_log_comes_in_chunks(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        rows = cs.ImportConsentsRequest(tenant=TENANT)
        for number in range(1_000):
            row = rows.rows.add(request_id=request_id(), subject=email(f"p{number % 40}"), notice_version=NOTICE)
            row.consent.purpose, row.consent.choice = "marketing.email", ty.CHOICE_GRANT
            row.occurred_at.seconds = 1_700_000_000 + number

        async def stream() -> Any:
            for _ in range(2):
                yield rows
                for row in rows.rows:
                    row.request_id = request_id()

        answer = await running.consent.ImportConsents(stream(), timeout=30)
        assert answer.written == 2_000
        sizes = []
        async for chunk in running.audit.ReplayEvents(au.ReplayEventsRequest(tenant=TENANT), timeout=20):
            sizes.append(len(chunk.leaves))
        assert sum(sizes) == await head(running) and sizes[:2] == [1_000, 1_000] and len(sizes) == 3


async def test_each_leaf_binds_its_ciphertext_and_what_is_in_it(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        context = ty.Context(ip="192.0.2.7", note="by phone")
        withdrawal = cs.WithdrawConsentRequest(
            request_id=request_id(), tenant=TENANT, subject=email("ada"), context=context, reason="too much"
        )
        await running.consent.WithdrawConsent(withdrawal, timeout=10)
        await grant(running, "ada")  # nothing personal but the identifier, which is not said again
        stored = [e for e in await running.store.entries(0, 1_000) if e.type.startswith(("subject", "consent"))]
        assert [e.ciphertext is not None for e in stored] == [True, True, False]
        person = stored[0].stream
        wrapped = (await running.keystore.wrapped([person]))[person]
        keyring = FileKeyring.open(tmp_path / "keyring.json")
        key = DataKey(keyring.unwrap(wrapped, b"person\0" + TENANT.encode() + b"\0" + person))
        for entry in stored[:2]:
            leaf = ev.LedgerEntry.FromString(entry.leaf)
            assert entry.ciphertext is not None
            assert leaf.ciphertext_sha256 == hashlib.sha256(entry.ciphertext).digest()
            aad = event_aad(leaf.tenant, leaf.stream, leaf.version, leaf.type)
            opened = key.open(entry.ciphertext, leaf.commitment, aad)
            if leaf.type == "subject.opened.v1":
                assert ev.SubjectOpenedPersonal.FromString(opened).subject == email("ada")
            else:
                expected = ev.ActPersonal(ip="192.0.2.7", note="by phone", reason="too much")
                assert ev.ActPersonal.FromString(opened) == expected
            with pytest.raises(CannotOpen):
                key.open(entry.ciphertext, leaf.commitment, event_aad("other", leaf.stream, leaf.version, leaf.type))
        last = ev.LedgerEntry.FromString(stored[2].leaf)
        assert (last.ciphertext_sha256, last.commitment) == (b"", b"")


async def test_a_timeline_comes_in_pages_oldest_first_with_its_seals_opened(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        await grant(running, "ben")
        link = cs.LinkIdentifiersRequest(request_id=request_id(), tenant=TENANT, left=email("ada"), right=email("ben"))
        await running.consent.LinkIdentifiers(link, timeout=10)
        for number in range(5):
            withdrawal = cs.WithdrawConsentRequest(
                request_id=request_id(), tenant=TENANT, subject=email("ada"), reason=f"reason {number}"
            )
            await running.consent.WithdrawConsent(withdrawal, timeout=10)
        request = au.GetSubjectHistoryRequest(tenant=TENANT, subject=email("ada"))
        whole = await running.audit.GetSubjectHistory(request, timeout=10)
        assert whole.next_page_token == ""
        positions = [e.position for e in whole.events]
        assert positions == sorted(positions) and len(positions) == 11
        assert [e.personal.reason for e in whole.events][-5:] == [f"reason {n}" for n in range(5)]
        opened = {(e.subject_opened.subject.id, e.linked) for e in whole.events if e.type == "subject.opened.v1"}
        assert opened == {("ada@example.org", False), ("ben@example.org", True)}
        paged, token, pages = [], "", 0
        while pages == 0 or token:
            request.page_size, request.page_token = 4, token
            page = await running.audit.GetSubjectHistory(request, timeout=10)
            paged += page.events
            token, pages = page.next_page_token, pages + 1
            if pages == 1:  # what is added meanwhile neither shifts nor doubles anything
                await withdraw(running, "ada")
        assert pages == 3 and paged[:-1] == list(whole.events) and paged[-1].type == "consent.withdrawn.v1"


async def test_a_person_never_seen_has_no_history(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        request = au.GetSubjectHistoryRequest(tenant=TENANT, subject=email("nobody"))
        with pytest.raises(LedgerError, match="SUBJECT_UNKNOWN"):
            await ask(running.audit.GetSubjectHistory, request, 5)
        refused = cs.RecordConsentRequest(request_id=request_id(), tenant=TENANT, subject=email("nobody"))
        refused.choices.add(purpose="no.such", choice=ty.CHOICE_DENY)
        with pytest.raises(LedgerError, match="PURPOSE_UNKNOWN"):
            await ask(running.consent.RecordConsent, refused, 5)
        with pytest.raises(LedgerError, match="SUBJECT_UNKNOWN"):
            await ask(running.audit.GetSubjectHistory, request, 5)
