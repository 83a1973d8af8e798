"""Putting a servicer behind the guard: handlers are found by the names in the contract, and none may be missing."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.errors import to_status
from consentledger.rpc.guard import Guard
from consentledger.rpc.method import Method, messages_of, policy_of
from consentledger.rpc.metrics import Metrics

if TYPE_CHECKING:
    from consentledger.rpc.call import Context

    Handler: TypeAlias = grpc.RpcMethodHandler[bytes, bytes]


def register(server: grpc.aio.Server, descriptor: ServiceDescriptor, servicer: object, guard: Guard) -> None:
    """Serve every rpc of the service by the servicer's method of the same name, guarded.

    RuntimeError, naming the method, if the servicer lacks one or has it in another form than its kind of rpc needs:
    a coroutine function `(request, call)`, for a client stream `(requests, call)`, and for a server stream an async
    generator function `(request, call)`.
    """
    handlers = {rpc.name: _handler(rpc, servicer, guard) for rpc in descriptor.methods}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(descriptor.full_name, handlers),))


def _handler(rpc: MethodDescriptor, servicer: object, guard: Guard) -> "Handler":
    function: Any = getattr(servicer, rpc.name, None)
    right_form: Callable[[object], bool] = (
        inspect.isasyncgenfunction if rpc.server_streaming else inspect.iscoroutinefunction
    )
    if not right_form(function):
        kind = "async generator" if rpc.server_streaming else "coroutine"
        raise RuntimeError(f"{type(servicer).__name__} has no {kind} method {rpc.name}")
    policy = policy_of(rpc)
    request, response = messages_of(rpc)
    method = Method(policy, request, response, guard.metrics.of(policy.name))
    # No deserializer and no serializer: the guard takes and gives bytes.
    if rpc.client_streaming and rpc.server_streaming:
        raise RuntimeError(f"{policy.name} streams both ways, which no guard here covers")
    if rpc.server_streaming:
        return grpc.unary_stream_rpc_method_handler(guard.unary_stream(method, function))
    if rpc.client_streaming:
        return grpc.stream_unary_rpc_method_handler(guard.stream_unary(method, function))
    return grpc.unary_unary_rpc_method_handler(guard.unary_unary(method, function))


class UnknownMethods(grpc.GenericRpcHandler):
    """Answers every method that nobody before it serves: UNIMPLEMENTED, with the reason NOT_IMPLEMENTED.

    Must be the last handler that a server is given.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._status = to_status(LedgerError(Reason.NOT_IMPLEMENTED))
        self._handler: Handler = grpc.stream_stream_rpc_method_handler(self._refuse)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler":
        """A handler that refuses without reading anything."""
        return self._handler

    async def _refuse(self, _: object, context: "Context") -> None:
        self._metrics.unknown_methods += 1
        await context.abort(self._status.code, self._status.details, self._status.trailing_metadata)
