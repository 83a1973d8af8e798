"""WatchConsent: a position is a cursor that never expires; nothing is skipped, doubled or reordered, on both stores."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from consentledger.rpc.errors import from_rpc_error
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty
from consentledger.v1.tenant_service_pb2 import CreateTenantRequest
from tests.support.consent import NOTICE, TENANT, Ledger, email, ledger, request_id
from tests.support.nats import nats_server

GRANT = "consent.recorded.v1"


async def grant(running: Ledger, name: str, purpose: str = "marketing.email") -> None:
    """One grant of one person."""
    request = cs.RecordConsentRequest(
        request_id=request_id(), tenant=TENANT, subject=email(name), notice_version=NOTICE
    )
    request.choices.add(purpose=purpose, choice=ty.CHOICE_GRANT)
    await running.consent.RecordConsent(request, timeout=10)


async def withdraw(running: Ledger, name: str) -> None:
    """Everything of one person."""
    request = cs.WithdrawConsentRequest(request_id=request_id(), tenant=TENANT, subject=email(name))
    await running.consent.WithdrawConsent(request, timeout=10)


async def head(running: Ledger) -> int:
    """The newest position."""
    return (await running.store.head()).position


def watch(running: Ledger, from_position: int, **fields: Any) -> Any:
    """An open watch."""
    request = cs.WatchConsentRequest(tenant=TENANT, from_position=from_position, **fields)
    return running.consent.WatchConsent(request, timeout=30)


async def events(call: Any, until: Callable[[cs.WatchConsentResponse], bool]) -> list[cs.WatchConsentResponse]:
    """What comes, heartbeats included, until one is met."""
    found: list[cs.WatchConsentResponse] = []
    async with asyncio.timeout(20):
        async for one in call:
            found.append(one)
            if until(one):
                call.cancel()
                return found
    raise AssertionError("the watch ended")


def entries(found: list[cs.WatchConsentResponse]) -> list[int]:
    """The positions of the events, heartbeats left out."""
    return [one.position for one in found if one.HasField("entry")]


async def test_from_a_position_everything_comes_then_what_is_new(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        before = await head(running)
        call = watch(running, 1)
        following = asyncio.create_task(events(call, lambda one: one.position >= before + 6))
        for name in ("ben", "eva", "ida"):
            await grant(running, name)
        found = await following
        assert entries(found) == list(range(1, before + 7))
        stored = {e.position: e.leaf for e in await running.store.entries(0, 1000)}
        assert all(one.entry.SerializeToString(deterministic=True) == stored[one.position] for one in found)
        middle = await events(watch(running, before - 1), lambda one: one.position >= before + 2)
        assert entries(middle) == [before - 1, before, before + 1, before + 2]


async def test_from_now_only_what_is_new_comes_and_heartbeats_say_how_far(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        before = await head(running)
        call = watch(running, 0, heartbeat_seconds=1)
        first = await anext(aiter(call))
        assert not first.HasField("entry") and first.position == before
        await grant(running, "ben")
        found = await events(call, lambda one: one.position == before + 2)
        assert entries(found) == [before + 1, before + 2]


async def test_a_heartbeat_moves_past_events_that_are_not_for_this_watch(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        call = watch(running, await head(running) + 1, subject=email("ada"), heartbeat_seconds=1)
        await grant(running, "ben")
        newest = await head(running)
        found = await events(call, lambda one: one.position >= newest)
        assert entries(found) == [] and found[-1].position == newest


async def test_one_person_and_those_linked_are_followed_and_nobody_else(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        for name in ("ada", "ada-at-work", "ben"):
            await grant(running, name)
        link = cs.LinkIdentifiersRequest(
            request_id=request_id(), tenant=TENANT, left=email("ada"), right=email("ada-at-work")
        )
        await running.consent.LinkIdentifiers(link, timeout=10)
        for name in ("ben", "ada-at-work", "ben", "ada"):
            await withdraw(running, name)
        newest = await head(running)
        found = await events(watch(running, 1, subject=email("ada")), lambda one: one.position == newest)
        people = {e.stream for e in await running.store.entries(0, 1000) if e.type == "subject.opened.v1"}
        seen = [one.entry for one in found if one.entry.stream in people]
        types = [entry.type for entry in seen]
        assert types == ["subject.opened.v1", GRANT] * 2 + ["links.changed.v1"] * 2 + ["consent.withdrawn.v1"] * 2
        assert len({entry.stream for entry in seen}) == 2
        # the catalogue concerns everyone
        assert {"tenant.created.v1", "purpose.changed.v1"} <= {one.entry.type for one in found}


async def test_another_tenants_events_are_never_seen(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        other = CreateTenantRequest(request_id=request_id())
        other.tenant.id = "other"
        await running.tenants.CreateTenant(other, timeout=10)
        withdrawal = cs.WithdrawConsentRequest(request_id=request_id(), tenant="other", subject=email("ada"))
        await running.consent.WithdrawConsent(withdrawal, timeout=10)
        await grant(running, "ada")
        newest = await head(running)
        found = await events(watch(running, 1), lambda one: one.position == newest)
        assert {one.entry.tenant for one in found} == {TENANT}
        foreign = [e.position for e in await running.store.entries(0, 1000, tenant="other")]
        assert len(foreign) == 3 and not set(foreign) & set(entries(found))


async def test_a_watch_resumes_without_a_gap_over_a_restart_while_others_write(tmp_path: Path, store_url: str) -> None:
    seen: list[int] = []
    async with nats_server() as nats:
        bus = await nats.bus()
        for life in range(3):
            async with ledger(tmp_path, store_url, nats.url, bus=bus, catalogue=life == 0) as running:
                call = watch(running, seen[-1] + 1 if seen else 1)
                writers = [asyncio.create_task(grant(running, f"person{life}-{n}")) for n in range(20)]
                count = 0
                async for one in call:
                    seen.append(one.position)
                    count += 1
                    if count == 25:
                        break  # in the middle of it
                call.cancel()
                await asyncio.gather(*writers)
        async with ledger(tmp_path, store_url, nats.url, bus=bus, catalogue=False) as running:
            newest = await head(running)
            found = await events(watch(running, seen[-1] + 1), lambda one: one.position == newest)
        assert seen + entries(found) == list(range(1, newest + 1))


async def test_a_draining_service_tells_its_watchers_to_go_elsewhere(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats:
        async with ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
            call = watch(running, 1)
            first = await anext(aiter(call))
            assert first.position == 1
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            async for _ in call:
                pass
        assert from_rpc_error(ended.value).reason == "SHUTTING_DOWN"
