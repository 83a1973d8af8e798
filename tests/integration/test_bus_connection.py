"""A connection on a real server: it never gives up, and says at once what did not work."""

import asyncio
from collections.abc import Mapping

import pytest

from consentledger.bus.connection import connect
from consentledger.bus.errors import BusDenied, BusRefused, BusUnavailable, JetStreamError, MessageTooLarge
from consentledger.bus.serverconfig import NatsUser
from tests.support.nats import asynchronous, eventually, nats_server

Told = list[tuple[str, Mapping[str, str]]]
CRM = NatsUser("crm", "secret", publish=("ack.acme.crm.>",), subscribe=("_INBOX_crm.>",))


@asynchronous
async def test_a_denied_publication_fails_its_request_at_once_and_reaches_the_journal() -> None:
    async with nats_server(users=[CRM]) as server:
        told: Told = []
        bus = await server.bus(
            user="crm",
            password="secret",
            inbox_prefix="_INBOX_crm",
            journal=lambda event, fields: told.append((event, fields)),
        )
        async with asyncio.timeout(2):
            with pytest.raises(BusDenied):
                await bus.request("ack.acme.shop.done.token", b"forged", timeout=30)
        await eventually(lambda: any(event == "bus.denied" for event, _ in told))
        assert dict(told)["bus.denied"] == {"operation": "publish", "subject": "ack.acme.shop.…"}
        assert bus.connected


@asynchronous
async def test_a_denied_subscription_reaches_the_journal() -> None:
    async with nats_server(users=[CRM]) as server:
        told: Told = []
        bus = await server.bus(
            user="crm",
            password="secret",
            inbox_prefix="_INBOX_crm",
            journal=lambda event, fields: told.append((event, fields)),
        )

        async def deliver(msg: object) -> None:
            raise AssertionError

        await bus.subscribe("ledger.>", deliver)
        await eventually(lambda: ("bus.denied", {"operation": "subscription", "subject": "ledger.>"}) in told)


@asynchronous
async def test_wrong_credentials_are_told_apart_from_an_absent_server() -> None:
    async with nats_server() as server:
        with pytest.raises(BusRefused):
            await connect(server.url, "test", user="nobody", password="wrong", timeout=0.5)
    with pytest.raises(BusUnavailable):
        await connect("nats://127.0.0.1:1", "test", timeout=0.3)


@asynchronous
async def test_an_error_of_the_api_is_raised_with_its_numbers() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        with pytest.raises(JetStreamError) as raised:
            await bus.request_json("$JS.API.STREAM.INFO.NONE")
        assert (raised.value.code, raised.value.err_code) == (404, 10059)


@asynchronous
async def test_a_request_that_nobody_answers_leaves_the_outcome_open() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        with pytest.raises(BusUnavailable):
            await bus.request("nobody.listens", timeout=5)

        async def mute(msg: object) -> None:
            pass

        await bus.subscribe("somebody.listens", mute)
        with pytest.raises(BusUnavailable):
            await bus.request("somebody.listens", timeout=0.1)


@asynchronous
async def test_headers_count_against_the_limit_and_the_connection_stays() -> None:
    async with nats_server() as server:
        bus = await server.bus()
        with pytest.raises(MessageTooLarge):
            await bus.publish("x", b"x" * (bus.max_payload - 10), headers={"A": "0123456789"})
        with pytest.raises(ValueError, match="not allow"):
            await bus.publish("x\r\nPUB y 0", b"")
        await bus.request_json("$JS.API.INFO")


@pytest.mark.fault
@asynchronous
async def test_a_request_in_flight_fails_when_the_server_is_killed_and_the_connection_comes_back() -> None:
    async with nats_server(kills=True) as server:
        bus = await server.bus()
        got: list[bytes] = []

        async def deliver(msg: object) -> None:
            got.append(msg.data)  # type: ignore[attr-defined]

        await bus.subscribe("somebody.listens", deliver)
        request = asyncio.create_task(bus.request("somebody.listens", b"1", timeout=60))
        await eventually(lambda: got == [b"1"])
        await server.kill()
        with pytest.raises(BusUnavailable):
            await asyncio.wait_for(request, 5)
        with pytest.raises(BusUnavailable):
            await bus.publish("x")
        await server.start()
        await bus.wait_connected(5)
        await bus.publish("somebody.listens", b"2")
        await eventually(lambda: got == [b"1", b"2"])


@pytest.mark.fault
@asynchronous
async def test_a_journal_that_raises_does_not_stop_reconnection() -> None:
    def failing(event: str, fields: Mapping[str, str]) -> None:
        raise RuntimeError

    async with nats_server(kills=True) as server:
        bus = await server.bus(journal=failing)
        for _ in range(2):
            await server.crash()
            await bus.wait_connected(5)
            await bus.request_json("$JS.API.INFO")


@asynchronous
async def test_a_connection_that_the_library_gives_up_is_opened_anew_with_its_subscriptions() -> None:
    async with nats_server() as server:
        told: list[str] = []
        bus = await server.bus(journal=lambda event, fields: told.append(event))
        got: list[bytes] = []

        async def deliver(msg: object) -> None:
            got.append(msg.data)  # type: ignore[attr-defined]

        await bus.subscribe("mine", deliver)
        # The server answers so long a subject with a protocol error, after which nats-py closes and stays closed.
        await bus.publish("x" * 5000)
        await eventually(lambda: told[-2:] == ["bus.reopening", "bus.connected"])
        await bus.publish("mine", b"back")
        await eventually(lambda: got == [b"back"])


@asynchronous
async def test_a_user_that_is_removed_is_cut_off_and_let_in_again_when_it_is_back() -> None:
    async with nats_server(users=[CRM]) as server:
        told: list[str] = []
        bus = await server.bus(
            user="crm", password="secret", inbox_prefix="_INBOX_crm", journal=lambda event, fields: told.append(event)
        )
        await server.set_users([])
        await eventually(lambda: not bus.connected and "bus.refused" in told)
        await server.set_users([CRM])
        await bus.wait_connected(5)


@asynchronous
async def test_connecting_in_the_background_succeeds_when_the_server_appears() -> None:
    async with nats_server(kills=True) as server:
        await server.kill()
        bus = await server.bus(timeout=None)
        assert not bus.connected
        await server.start()
        await bus.wait_connected(10)
        await bus.request_json("$JS.API.INFO")


async def test_closing_ends_whenever_it_comes_while_no_server_is_there() -> None:
    """The library swallows a cancellation that comes between two attempts to connect."""
    for turns in range(60):
        bus = await connect("nats://127.0.0.1:1", "test", timeout=None)
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await bus.close()
