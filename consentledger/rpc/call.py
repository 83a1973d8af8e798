"""What a handler knows about the call that it serves.

Not here: gRPC's own context. A servicer cannot set a code, send metadata or abort; it returns or raises.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

import grpc

if TYPE_CHECKING:
    Context: TypeAlias = grpc.aio.ServicerContext[bytes, bytes]
    """gRPC's side of a call; only the guard and `Authenticate` touch it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls."""

    name: str
    tenants: frozenset[str] | None
    """The tenants that the caller may act for; None means every tenant."""
    role: str


LOOPBACK = Caller("loopback", None, "local")
"""Whoever can reach this machine's own sockets, when no authentication is configured."""


@dataclass(frozen=True, slots=True)
class MethodPolicy:
    """What the guard demands of one method's calls."""

    name: str
    """`consentledger.v1.ConsentService/CheckConsent`: fixed by the contract, so it may label metrics and logs."""
    max_bytes: int
    """The largest request message, in bytes."""
    needs_deadline: bool
    """Unary calls need a deadline; streams are bounded by keepalive and the connection's age."""


Authenticate: TypeAlias = Callable[["Context", MethodPolicy], Caller]
"""Says who calls, from the peer's identity and the call's metadata, or raises `LedgerError(PERMISSION_DENIED)`."""


class Call:
    """One call, as its handler sees it."""

    __slots__ = ("_metadata", "caller", "deadline", "traceparent")

    def __init__(
        self,
        caller: Caller,
        deadline: float | None,
        traceparent: str | None,
        metadata: tuple[tuple[str, str | bytes], ...],
    ) -> None:
        self.caller = caller
        self.deadline = deadline
        """On the monotonic clock, in seconds; None for a stream without one."""
        self.traceparent = traceparent
        """W3C trace context to pass on, checked; None if the caller sent none or no valid one."""
        self._metadata = metadata

    def remaining(self) -> float | None:
        """Seconds until the deadline, 0 once it has passed; None without one. Fits `asyncio.timeout`."""
        return None if self.deadline is None else max(0.0, self.deadline - monotonic())

    def metadata(self, key: str) -> str | None:
        """The first text value that the caller sent under a lower-case key."""
        for name, value in self._metadata:
            if name == key and isinstance(value, str):
                return value
        return None
