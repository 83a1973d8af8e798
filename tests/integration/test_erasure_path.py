"""P5, the whole way: recipients are told while the person can still be named; then nobody can name them any more."""

from pathlib import Path
from typing import Any

import pytest

from consentledger.bus.connection import Bus
from consentledger.rpc.channel import call
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as ns
from tests.support.consent import TENANT
from tests.support.erasing import ended, erase, grant, how_far, why, withdraw
from tests.support.nats import eventually
from tests.support.places import messages
from tests.support.whole import Listener, Whole, whole

ERASED = "subject.erased.v1"
KINDS = ("embedded", "servers")


async def obligations(system: Whole) -> list[ns.Obligation]:
    """Those that follow from erasures."""
    request = ns.ListObligationsRequest(tenant=TENANT, page_size=1000)
    answer = await call(system.notifier.ListObligations, request, 10)
    return [o for o in answer.obligations if o.event_type == ERASED]


async def named(bus: Bus, who: str) -> int:
    """How many messages of ENFORCE name somebody; one that is purged cannot be got."""
    state = (await bus.request_json("$JS.API.STREAM.INFO.ENFORCE", {"subjects_filter": ">"}))["state"]
    found = 0
    for subject in state.get("subjects", {}):
        last = await bus.request(f"$JS.API.DIRECT.GET.ENFORCE.{subject}")
        found += who.encode() in last.payload
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_a_person_is_erased_after_every_downstream_has_enforced_it(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    async with whole(kind, tmp_path, request) as system:
        await system.register("mailer")
        await system.register("lake")
        bus = await system.bus()
        async with Listener(system, "mailer", waits=ERASED) as mailer, Listener(system, "lake") as lake:
            for name in ("ada", "ben"):
                await grant(system.consent, name)
                await withdraw(system.consent, name)
            # A change of the catalogue may reach them too, if the notifier was slow to take it; that names nobody.
            await eventually(lambda: all(sum(bool(o.ids) for o in one.got) == 2 for one in (lake, mailer)), 60)
            begun = await erase(system.consent, "ada")
            assert await why(system.consent, "ada") == "NOT_ALLOWED ERASURE_IN_PROGRESS"
            await eventually(lambda: any(o.event_type == ERASED for o in mailer.got), 60)
            far = await how_far(system.consent, begun.erasure_id)
            assert far.state == cs.ERASURE_STATE_TELLING_RECIPIENTS, "one has not enforced yet"
            assert {r.downstream for r in far.recipients} == {"lake", "mailer"}
            assert await named(bus, "ada@example.org") == 2 and await named(bus, "ben@example.org") == 2
            mailer.may = True
            done = await ended(system.consent, begun.erasure_id, 60)
            told = [o for downstream in (mailer, lake) for o in downstream.got if o.event_type == ERASED]
            assert {o.ids for o in told} == {("ada@example.org",)} and {o.purposes for o in told} == {("*",)}
            outcomes = [(r.downstream, r.state, r.reason) for r in done.recipients]
            assert outcomes == [(name, ev.OBLIGATION_STATE_ENFORCED, "") for name in ("lake", "mailer")]
            assert {o.state for o in await obligations(system)} == {ev.OBLIGATION_STATE_ENFORCED}
            assert done.suppressed and await why(system.consent, "ada") == "NOT_ALLOWED OBJECTED"

            async def purged() -> bool:
                return await named(bus, "ada@example.org") == 0

            await eventually(purged, 60)
            assert await named(bus, "ben@example.org") == 2, "only hers are gone"
        await bus.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_who_does_not_enforce_in_time_is_named_in_the_attestation_and_told_nobody_any_more(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    async with whole(kind, tmp_path, request) as system:
        await system.register("mailer")
        await system.register("tape")  # listens to nothing
        await grant(system.consent, "ada")
        async with Listener(system, "mailer"):
            done = await ended(system.consent, (await erase(system.consent, "ada", within=2)).erasure_id, 60)
        outcomes = {r.downstream: (r.state, r.reason) for r in done.recipients}
        assert outcomes == {
            "mailer": (ev.OBLIGATION_STATE_ENFORCED, ""),
            "tape": (ev.OBLIGATION_STATE_SENT, "deadline"),
        }
        bus = await system.bus()

        async def purged() -> bool:
            return await named(bus, "ada@example.org") == 0

        await eventually(purged, 60)
        ledger = await messages(bus, "LEDGER")
        assert any(b"key.destroyed.v1" in message for _, message in ledger)
        assert not any(b"ada@example.org" in message for _, message in ledger)
        await bus.close()


async def test_the_notifier_says_how_far_it_has_come(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    async with whole("embedded", tmp_path, request) as system:
        await grant(system.consent, "ada")
        watch = system.consent.WatchConsent(cs.WatchConsentRequest(tenant=TENANT, from_position=1), timeout=20)
        newest = 0
        async for event in watch:
            if not event.HasField("entry"):
                newest = event.position
                break
        watch.cancel()

        async def reached() -> bool:
            answer: Any = await call(system.notifier.ListObligations, ns.ListObligationsRequest(tenant=TENANT), 10)
            assert answer.reached <= newest
            return bool(answer.reached == newest)

        await eventually(reached)
