"""A server as it is run: where it listens, what it says of itself, and how it stops."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from consentledger.errors import Reason
from consentledger.rpc.address import InsecureAddress
from consentledger.rpc.call import LOOPBACK, Call
from consentledger.rpc.channel import connect
from consentledger.rpc.errors import from_rpc_error
from consentledger.rpc.guard import Guard
from consentledger.rpc.probe import probe
from consentledger.rpc.server import Server
from consentledger.v1 import consent_service_pb2 as pb
from tests.integration.test_rpc_guard import SERVICE, Client, allow, refused, run, servicer, until

ROOT = Path(__file__).parents[2]
CREDENTIALS = grpc.ssl_server_credentials([(b"key", b"certificate")])


async def started(server: Server, address: str = "127.0.0.1:0") -> str:
    port = server.bind(address)
    await server.start()
    return f"127.0.0.1:{port}" if port > 1 else address


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "example.org:50051", "127.0.0.1:0,0.0.0.0:0"])
def test_plaintext_is_refused_where_other_machines_could_reach_it(address: str) -> None:
    async def test() -> None:
        server = Server(Guard())
        with pytest.raises(InsecureAddress):
            server.bind(address)
        with pytest.raises(InsecureAddress):
            connect(address)

    run(test())


def test_tls_without_authentication_is_refused_there_too() -> None:
    async def test() -> None:
        with pytest.raises(InsecureAddress):
            Server(Guard(), credentials=CREDENTIALS).bind("0.0.0.0:0")
        with pytest.raises(RuntimeError, match="Failed to bind"):
            # Past our own check; gRPC then refuses what is no certificate.
            Server(Guard(authenticate=lambda context, policy: LOOPBACK), credentials=CREDENTIALS).bind("0.0.0.0:0")

    run(test())


def test_a_unix_socket_is_served(tmp_path: Path) -> None:
    async def test() -> None:
        server = Server(Guard())
        server.add(SERVICE, servicer({"CheckConsent": allow}))
        address = await started(server, f"unix:{tmp_path}/rpc.sock")
        async with connect(address) as channel:
            await Client(channel).check()
        await server.drain(0)

    run(test())


def test_a_port_in_use_is_an_error_and_not_shared() -> None:
    async def test() -> None:
        server = Server(Guard())
        address = await started(server)
        with pytest.raises(RuntimeError):
            Server(Guard()).bind(address)
        await server.drain(0)

    run(test())


async def not_a_generator(request: Any, call: Call) -> None:
    """What a server stream's handler must not be."""


@pytest.mark.parametrize(
    ("method", "handler"),
    [
        ("CheckConsent", None),
        ("CheckConsent", lambda request, call: None),
        ("WatchConsent", None),
        ("WatchConsent", not_a_generator),
    ],
)
def test_a_servicer_that_lacks_a_method_is_refused_by_name(method: str, handler: object) -> None:
    async def test() -> None:
        tiny = type(servicer({}))
        setattr(tiny, method, handler if handler is None else staticmethod(handler))  # type: ignore[arg-type]
        with pytest.raises(RuntimeError, match=method):
            Server(Guard()).add(SERVICE, tiny())

    run(test())


def test_reflection_lists_the_services() -> None:
    async def test() -> None:
        server = Server(Guard())
        server.add(SERVICE, servicer({}))
        async with connect(await started(server)) as channel:
            asked = reflection_pb2.ServerReflectionRequest(list_services="")
            stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
            call = stub.ServerReflectionInfo(iter([asked]))
            answer = await call.read()
            assert {service.name for service in answer.list_services_response.service} == {
                "consentledger.v1.ConsentService",
                "grpc.health.v1.Health",
                "grpc.reflection.v1alpha.ServerReflection",
            }
            call.cancel()
        await server.drain(0)

    run(test())


def test_health_is_alive_at_once_ready_when_told_and_unknown_for_others() -> None:
    async def test() -> None:
        server = Server(Guard())
        server.add(SERVICE, servicer({}))
        address = await started(server)
        follow = ("", "readiness", SERVICE.full_name)
        for ready, status in ((None, "NOT_SERVING"), (True, "SERVING"), (False, "NOT_SERVING")):
            if ready is not None:
                await server.health.set_ready(ready)
            assert [await probe(address, name) for name in follow] == [status] * 3
            assert await probe(address, "liveness") == "SERVING"
        assert await probe(address, "nothing") == "NOT_FOUND"
        await server.drain(0)
        assert await probe(address) == "UNAVAILABLE"

    run(test())


def test_the_probe_command_exits_by_the_status() -> None:
    async def command(*arguments: str) -> tuple[int | None, bytes]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "consentledger.rpc.probe", *arguments, cwd=ROOT, env=dict(os.environ),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        out, _ = await process.communicate()
        return process.returncode, out

    async def test() -> None:
        server = Server(Guard())
        address = await started(server)
        assert await command(address, "liveness") == (0, b"SERVING\n")
        assert await command(address) == (1, b"NOT_SERVING\n")
        assert await command() == (2, b"")
        await server.drain(0)

    run(test())


def test_draining_finishes_calls_refuses_new_ones_ends_streams_and_stays_alive() -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def check(request: Any, call: Call) -> Any:
        begun.set()
        await release.wait()
        # Large, so that it is still on its way when the handler has ended.
        return pb.CheckConsentResponse(regime="finished" * 1_000_000)

    async def watch(request: Any, call: Call) -> AsyncIterator[Any]:
        yield pb.WatchConsentResponse(position=1)
        await asyncio.Event().wait()

    async def test() -> None:
        guard = Guard()
        server = Server(guard)
        server.add(SERVICE, servicer({"CheckConsent": check, "WatchConsent": watch}))
        address = await started(server)
        await server.health.set_ready(True)
        async with connect(address) as channel:
            client = Client(channel)
            stream = client.watch()
            await stream.read()
            call = asyncio.ensure_future(client.check())
            await begun.wait()

            draining = asyncio.ensure_future(server.drain(20))
            assert (await refused(stream.read())).reason is Reason.SHUTTING_DOWN
            assert (await refused(client.check())).reason is Reason.SHUTTING_DOWN
            assert (await refused(client.watch().read())).reason is Reason.SHUTTING_DOWN
            assert await probe(address) == "NOT_SERVING"
            await server.health.set_ready(True)
            assert await probe(address) == "NOT_SERVING"
            assert await probe(address, "liveness") == "SERVING"
            assert not draining.done()

            release.set()
            assert pb.CheckConsentResponse.FromString(await call).regime.endswith("finished")
            await draining
            await server.wait()
            assert guard.metrics.in_flight == 0

    run(test())


def test_a_call_that_outlasts_the_grace_is_cut_off_with_its_outcome_unknown() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def check(request: Any, call: Call) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def test() -> None:
        server = Server(Guard())
        server.add(SERVICE, servicer({"CheckConsent": check}))
        async with grpc.aio.insecure_channel(await started(server)) as channel:
            call = asyncio.ensure_future(Client(channel).check())
            await begun.wait()
            await server.drain(0.05)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert from_rpc_error(caught.value).reason is Reason.STORE_UNAVAILABLE
            assert ended.is_set()

    run(test())


def test_a_health_watch_hears_of_the_drain_and_does_not_hold_it_up() -> None:
    async def test() -> None:
        server = Server(Guard())
        address = await started(server)
        await server.health.set_ready(True)
        async with connect(address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            watch = stub.Watch(health_pb2.HealthCheckRequest(service="readiness"))
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            begun = time.monotonic()
            draining = asyncio.ensure_future(server.drain(20))
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            await draining
            assert time.monotonic() - begun < 10

    run(test())


def test_a_stopped_server_leaves_nothing_in_flight() -> None:
    async def watch(request: Any, call: Call) -> AsyncIterator[Any]:
        while True:
            yield pb.WatchConsentResponse(entry=None, position=1)

    async def test() -> None:
        guard = Guard()
        server = Server(guard)
        server.add(SERVICE, servicer({"WatchConsent": watch}))
        async with connect(await started(server)) as channel:
            stream = Client(channel).watch()
            await stream.read()
            # The reader reads no more, so that the writer is held up inside gRPC when the drain comes.
            await until(lambda: guard.metrics.in_flight == 1)
            await server.drain(1)
            assert guard.metrics.in_flight == 0

    run(test())
