"""A gRPC server as every service runs it: guarded services, health, reflection, one way to stop.

Not here: signals, and when a service is ready. Both belong to the process that composes it.

- Plaintext on this machine's own addresses only, and every other address needs authentication as well.
- A connection ends after five minutes, so that clients look their replicas up again and find new ones.
"""

from dataclasses import dataclass
from time import monotonic

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection

from consentledger import journal
from consentledger.rpc.address import InsecureAddress, is_local, require_local
from consentledger.rpc.guard import Guard
from consentledger.rpc.health import Health
from consentledger.rpc.register import UnknownMethods, register

_journal = journal.get("rpc")

# Answers that handlers have given may still be on their way out when the guard is idle; health watches never end.
_FLUSH_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How a server treats its connections. The defaults fit all services."""

    max_message_bytes: int = 16 * 1024 * 1024
    """gRPC's own limit, in bytes, both ways; larger than any method's, so that the guard can answer with a reason."""
    max_connection_age_seconds: float = 300.0
    """After this a client is asked to reconnect."""
    max_connection_age_grace_seconds: float = 30.0
    """How long the calls of a connection past its age may go on."""
    max_streams_per_connection: int = 1000
    """Calls at once on one connection; further ones wait in the client."""
    keepalive_seconds: float = 30.0
    """How often a silent client is asked if it is still there; it has 10 seconds to answer."""
    reuse_port: bool = False
    """SO_REUSEPORT: let several processes share one port. Off, so that a second server fails instead of sharing."""

    def channel_arguments(self) -> tuple[tuple[str, int], ...]:
        """As gRPC wants them."""
        return (
            ("grpc.max_receive_message_length", self.max_message_bytes),
            ("grpc.max_send_message_length", self.max_message_bytes),
            ("grpc.max_connection_age_ms", int(self.max_connection_age_seconds * 1000)),
            ("grpc.max_connection_age_grace_ms", int(self.max_connection_age_grace_seconds * 1000)),
            ("grpc.max_concurrent_streams", self.max_streams_per_connection),
            ("grpc.keepalive_time_ms", int(self.keepalive_seconds * 1000)),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
            ("grpc.so_reuseport", int(self.reuse_port)),
        )


class Server:
    """One server: make it inside a running event loop, `add` services, `bind`, `start`, and in the end `drain`."""

    def __init__(
        self,
        guard: Guard,
        *,
        credentials: grpc.ServerCredentials | None = None,
        options: ServerOptions | None = None,
    ) -> None:
        """Without `credentials` it is plaintext, and binds to local addresses only."""
        self.guard = guard
        self.health = Health()
        self._credentials = credentials
        self._server = grpc.aio.server(options=(options or ServerOptions()).channel_arguments())
        self._services: list[str] = []

    def add(self, descriptor: ServiceDescriptor, servicer: object) -> None:
        """Serve a service of the contract; RuntimeError if the servicer lacks one of its methods."""
        register(self._server, descriptor, servicer, self.guard)
        self._services.append(descriptor.full_name)

    def bind(self, address: str) -> int:
        """Listen on `HOST:PORT` or `unix:PATH` from `start` on; returns the port, which PORT 0 leaves to the system.

        `InsecureAddress` for an address that other machines can reach, without TLS or without authentication;
        RuntimeError if it cannot be bound.
        """
        if self._credentials is None:
            require_local(address)
            return self._server.add_insecure_port(address)
        if self.guard.authenticate is None and not is_local(address):
            raise InsecureAddress("an address that other machines can reach needs authentication")
        return self._server.add_secure_port(address, self._credentials)

    async def start(self) -> None:
        """Serve: alive, and not ready until `health.set_ready(True)`."""
        self.health.attach(self._server)
        names = (*self._services, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self._server.add_generic_rpc_handlers((UnknownMethods(self.guard.metrics),))
        await self.health.start(self._services)
        await self._server.start()
        _journal.info("rpc.started", count=len(self._services))

    async def drain(self, grace: float = 20.0) -> None:
        """Stop within `grace` seconds: not ready, new calls refused, those in flight ended, the sockets closed.

        Calls that outlast the grace are cancelled, which their callers see as CANCELLED: outcome unknown.
        """
        end = monotonic() + grace
        await self.health.drain()
        finished = await self.guard.drain(grace)
        left = max(0.0, end - monotonic())
        await self._server.stop(min(left, _FLUSH_SECONDS))
        _journal.info("rpc.stopped", status="finished" if finished else "cut off")

    async def wait(self) -> None:
        """Return when the server has stopped."""
        await self._server.wait_for_termination()
