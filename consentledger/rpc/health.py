"""Is it alive, is it ready? `grpc.health.v1`, with one name a question.

- `liveness`: the process runs and its event loop turns. Nothing else may make it NOT_SERVING, above all no database:
  restarting a replica does not repair one.
- `readiness`: calls are welcome. NOT_SERVING until the service says otherwise, and again while draining.
- `integrity`: what is stored is what was signed, as far as the background scrub has come. NOT_SERVING is an alarm for
  people: it takes nobody out of service, for withdrawals must be accepted, and all replicas would go at once.
- The empty name and each service's full name follow readiness.
"""

from collections.abc import Iterable

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

LIVENESS = "liveness"
READINESS = "readiness"
INTEGRITY = "integrity"

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """The health of one server. Answers without deadline or authentication, also while draining."""

    def __init__(self) -> None:
        self._servicer = health.aio.HealthServicer()
        self._following = ["", READINESS]
        self._drained = False

    def attach(self, server: grpc.aio.Server) -> None:
        """Serve `grpc.health.v1.Health` on a server that is not started yet."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def start(self, services: Iterable[str]) -> None:
        """Alive, and not ready yet; `services` are full names."""
        self._following += services
        await self._servicer.set(LIVENESS, _SERVING)
        await self._servicer.set(INTEGRITY, _SERVING)
        await self.set_ready(False)

    async def set_ready(self, ready: bool) -> None:
        """Say whether calls are welcome. Has no effect once draining has begun."""
        if not self._drained:
            await self._set(ready)

    async def set_intact(self, intact: bool) -> None:
        """Say whether what is stored is what was signed."""
        await self._servicer.set(INTEGRITY, _SERVING if intact else _NOT_SERVING)

    async def drain(self) -> None:
        """Not ready, for good; still alive, so that nobody kills what is finishing its calls."""
        self._drained = True
        await self._set(False)

    async def _set(self, ready: bool) -> None:
        for name in self._following:
            await self._servicer.set(name, _SERVING if ready else _NOT_SERVING)
