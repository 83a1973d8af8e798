"""Links and preferences end to end: identifiers of one person, joined and parted, and how they want to be reached."""

from pathlib import Path
from typing import Any

from consentledger.rpc import channel
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from tests.integration.test_checks import refused
from tests.support.asking import MAIL, act, grant, newest, states, why, withdraw
from tests.support.consent import TENANT, Ledger, email, ledger
from tests.support.nats import nats_server

SMS = "marketing.sms"


async def link(running: Ledger, left: str, right: str) -> Any:
    """Join two."""
    return await act(running, "LinkIdentifiers", left=email(left), right=email(right))


async def undo(running: Ledger, left: str, right: str) -> Any:
    """Part two."""
    return await act(running, "UndoLink", left=email(left), right=email(right))


async def test_while_linked_the_more_protective_state_wins_on_both_sides(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "home", MAIL, SMS)
        await withdraw(running, "work", MAIL)
        await link(running, "home", "work")
        for name in ("home", "work"):
            assert await why(running, name) == "NOT_ALLOWED WITHDRAWN"
            assert await why(running, name, SMS) == "ALLOWED GRANTED"
            assert await states(running, name) == {MAIL: "WITHDRAWN", SMS: "GRANTED"}
        revoked = [
            list(ev.LedgerEntry.FromString(e.leaf).header.links_changed.act.revoked_purposes)
            for e in await running.store.entries(0, 1000, types=["links.changed.v1"])
        ]
        assert sorted(revoked) == [[], [MAIL]]  # told once, to the side that lost something
        position = (await running.store.head()).position
        await link(running, "work", "home")
        assert (await running.store.head()).position == position, "joined already"


async def test_after_undoing_refusals_made_while_linked_stand_for_both_and_grants_where_they_were_given(
    tmp_path: Path, store_url: str
) -> None:
    async with nats_server() as nats:
        bus = await nats.bus()
        async with ledger(tmp_path, store_url, nats.url, bus=bus) as running:
            await grant(running, "home")
            await link(running, "home", "work")
            await withdraw(running, "work", MAIL)
            await grant(running, "work", SMS)
            assert await why(running, "home", SMS) == "ALLOWED GRANTED"
            parted = await undo(running, "home", "work")
            assert {s.purpose for s in parted.left_states} == {s.purpose for s in parted.right_states}
            await after_parting(running)
            assert await refused(undo(running, "home", "work")) == "LINK_UNKNOWN"
        async with ledger(tmp_path, store_url, nats.url, bus=bus, catalogue=False) as running:
            await after_parting(running)
            await grant(running, "home")
            assert await why(running, "home") == "ALLOWED GRANTED"
            assert await why(running, "work") == "NOT_ALLOWED WITHDRAWN"


async def after_parting(running: Ledger) -> None:
    """What must stand then."""
    assert await states(running, "home") == {MAIL: "WITHDRAWN"}
    assert await states(running, "work") == {MAIL: "WITHDRAWN", SMS: "GRANTED"}
    assert await why(running, "home") == await why(running, "work") == "NOT_ALLOWED WITHDRAWN"
    assert await why(running, "home", SMS) == "NOT_ALLOWED NO_RECORD"
    assert await why(running, "work", SMS) == "ALLOWED GRANTED"


async def test_a_chain_of_links_is_one_group_and_parting_its_middle_leaves_two(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        for name in "abcd":
            await grant(running, name)
        for pair in ("ab", "cd", "bc"):
            await link(running, *pair)
        await withdraw(running, "a", MAIL)
        assert [await why(running, name) for name in "abcd"] == ["NOT_ALLOWED WITHDRAWN"] * 4
        assert await refused(undo(running, "a", "c")) == "LINK_UNKNOWN"
        await undo(running, "b", "c")
        await grant(running, "c")
        await grant(running, "d")
        assert [(await why(running, name))[:7] for name in "abcd"] == ["NOT_ALL", "NOT_ALL", "ALLOWED", "ALLOWED"]
        assert len((await newest(running, "links.changed.v1")).members) == 1


async def test_nobody_is_linked_with_themselves_or_with_too_many(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        assert await refused(link(running, "ada", "ADA")) == "INVALID_FIELD"  # one mailbox
        for number in range(15):
            await link(running, "hub", f"spoke{number}")
        assert await refused(link(running, "hub", "one-too-many")) == "LINK_LIMIT"
        assert await why(running, "one-too-many") == "NOT_ALLOWED NO_RECORD"


async def preferences(running: Ledger, name: str) -> list[tuple[str, str, str, str]]:
    """GetPreferences."""
    request = cs.GetPreferencesRequest(tenant=TENANT, subject=email(name))
    answer = await channel.call(running.consent.GetPreferences, request, 10)
    return [(p.channel, p.topic, p.frequency, p.language) for p in answer.preferences]


async def prefer(running: Ledger, name: str, *wanted: tuple[str, str, str]) -> None:
    """UpdatePreferences."""
    kept = [ev.Preference(channel=c, topic=t, frequency=f, language="de") for c, t, f in wanted]
    await act(running, "UpdatePreferences", subject=email(name), preferences=kept)


async def test_preferences_are_replaced_one_by_one_and_decide_nothing(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats:
        bus = await nats.bus()
        async with ledger(tmp_path, store_url, nats.url, bus=bus) as running:
            await prefer(running, "ada", ("sms", "news", "daily"), ("email", "news", "weekly"))
            await prefer(running, "ada", ("email", "news", "never"), ("email", "offers", "monthly"))
            await prefer(running, "ada", ("sms", "news", ""), ("post", "news", ""))
            wanted = [("email", "news", "never", "de"), ("email", "offers", "monthly", "de")]
            assert await preferences(running, "ada") == wanted
            assert await why(running, "ada") == "NOT_ALLOWED NO_RECORD" and await states(running, "ada") == {}
            await link(running, "ada", "ben")
            assert await preferences(running, "ben") == []  # each identifier has its own
            assert await preferences(running, "nobody") == []
        async with ledger(tmp_path, store_url, nats.url, bus=bus, catalogue=False) as running:
            assert await preferences(running, "ada") == wanted
