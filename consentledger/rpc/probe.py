"""`python -m consentledger.rpc.probe HOST:PORT [SERVICE]`: exits 0 when the service is SERVING, 1 otherwise.

SERVICE is `readiness` unless given. Plaintext, to any address: a health check carries no data. For containers and
scripts; Kubernetes has probes of its own.
"""

import asyncio
import sys
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from consentledger.rpc.health import READINESS

TIMEOUT_SECONDS = 2.0


async def probe(address: str, service: str = READINESS) -> str:
    """The status by name, `SERVING` or another; a gRPC code such as `UNAVAILABLE` if there was no answer."""
    async with grpc.aio.insecure_channel(address, options=(("grpc.enable_http_proxy", 0),)) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            return error.code().name
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def main(arguments: list[str]) -> int:
    """Write the status; 0 for SERVING, 1 for any other, 2 for wrong arguments."""
    if not 1 <= len(arguments) <= 2:
        sys.stderr.write("usage: python -m consentledger.rpc.probe HOST:PORT [SERVICE]\n")
        return 2
    status = asyncio.run(probe(*arguments))
    sys.stdout.write(f"{status}\n")
    return 0 if status == "SERVING" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
