"""The client's side: a channel with the options that our servers expect, and one call on it.

- Plaintext to this machine's own addresses only. No HTTP proxy: the environment must not divert personal data.
- Calls are spread over all replicas that the name resolves to.
- UNAVAILABLE is tried again, at most three times in all and throttled. That is safe for writes, because the bytes are
  the same, request_id included; and for all else, because nothing was written. No other code is retried.
"""

import json
from collections.abc import Awaitable
from typing import Any, Protocol, TypeVar

import grpc

from consentledger.errors import LedgerError
from consentledger.rpc.address import require_local
from consentledger.rpc.errors import from_rpc_error
from consentledger.rpc.tracing import HEADER

_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.1},
}

OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.max_send_message_length", 16 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)
"""What every channel is made with."""

Request_contra = TypeVar("Request_contra", contravariant=True)
Response_co = TypeVar("Response_co", covariant=True)
Request = TypeVar("Request")
Response = TypeVar("Response")


class Rpc(Protocol[Request_contra, Response_co]):
    """A method of a generated stub that answers once: `stub.CheckConsent`."""

    def __call__(
        self, request: Request_contra, /, *, timeout: float, metadata: tuple[tuple[str, str], ...]
    ) -> Awaitable[Response_co]:
        """Start the call."""


def connect(target: str, *, credentials: grpc.ChannelCredentials | None = None) -> grpc.aio.Channel:
    """A channel to `HOST:PORT`, `unix:PATH` or, with `credentials`, any gRPC target such as `dns:///NAME:PORT`.

    `InsecureAddress` for a target that is not local, without `credentials`. Close it with `await channel.close()`.
    """
    if credentials is None:
        require_local(target)
        return grpc.aio.insecure_channel(target, options=OPTIONS)
    return grpc.aio.secure_channel(target, credentials, options=OPTIONS)


async def call(
    rpc: Rpc[Request, Response], request: Request, timeout: float, *, traceparent: str | None = None
) -> Response:
    """One call with a deadline of `timeout` seconds from now; raises the `LedgerError` that the server meant.

    `request` is a message, or an iterator of messages for a client stream. `traceparent` is that of the call being
    served (`Call.traceparent`), so that its trace goes on.
    """
    metadata = () if traceparent is None else ((HEADER, traceparent),)
    failure: LedgerError
    try:
        return await rpc(request, timeout=timeout, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        failure = from_rpc_error(error)
    # Outside the except block, so that gRPC's exception, whose text nobody has checked, is not chained to ours.
    raise failure
