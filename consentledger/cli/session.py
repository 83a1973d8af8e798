"""One command's connection to the services: calls with a deadline, tries, pages.

- A call that wrote nothing, or whose outcome is unknown, is tried three times in all, with the same bytes and so the
  same request_id: P10 makes that one write. Other refusals are final; so is a catalogue version that no longer stands.
- A server that is not there within the first seconds is told as such, and not as a refusal.
- A page is small, because an event may be 64 KiB.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, TypeVar

from consentledger.cli.failures import UNANSWERED, Misuse, Unanswered
from consentledger.cli.options import Options
from consentledger.errors import LedgerError, Reason
from consentledger.rpc.address import InsecureAddress
from consentledger.rpc.channel import call, connect
from consentledger.v1.audit_service_pb2_grpc import AuditServiceStub
from consentledger.v1.consent_service_pb2_grpc import ConsentServiceStub
from consentledger.v1.notifier_service_pb2_grpc import NotifierServiceStub
from consentledger.v1.purpose_service_pb2_grpc import PurposeServiceStub
from consentledger.v1.tenant_service_pb2_grpc import TenantServiceStub

RETRIED = frozenset({Reason.OVERLOADED, Reason.STORE_UNAVAILABLE, Reason.CONFLICT, Reason.SHUTTING_DOWN})
"""What is tried again: UNAVAILABLE, ABORTED and RESOURCE_EXHAUSTED, but for those that would fail again."""

PAUSES = (0.2, 0.8)
"""Seconds before the second and the third try."""

_CONNECT_SECONDS = 3.0
_CALL_SECONDS = 10.0
_PAGE = 200

T = TypeVar("T")


class Session:
    """The channel and its stubs, inside `async with`."""

    def __init__(self, options: Options) -> None:
        """Must be made inside a running event loop. Misuse for an address that needs TLS."""
        self.options = options
        try:
            self._channel = connect(options.server)
        except InsecureAddress as error:
            raise Misuse(str(error), param_hint="--server") from None
        self.consent: Any = ConsentServiceStub(self._channel)
        self.tenants: Any = TenantServiceStub(self._channel)
        self.purposes: Any = PurposeServiceStub(self._channel)
        self.notifier: Any = NotifierServiceStub(self._channel)
        self.audit: Any = AuditServiceStub(self._channel)

    async def __aenter__(self) -> "Session":
        try:
            await self.ready(_CONNECT_SECONDS)
        except BaseException:
            await self._channel.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()

    async def ready(self, seconds: float) -> None:
        """Return when connected; Unanswered after some seconds without."""
        try:
            async with asyncio.timeout(seconds):
                await self._channel.channel_ready()
        except TimeoutError:
            raise Unanswered from None

    async def call(self, rpc: Any, request: Any, *, timeout: float = _CALL_SECONDS) -> Any:
        """The answer. LedgerError for a refusal; Unanswered when three tries gave none.

        `request` is a message, or for a client stream something that gives the same messages each time it is iterated.
        """
        request_id = getattr(request, "request_id", "")
        if request_id:
            self.tell(f"request_id {request_id}")
        pauses = iter(PAUSES)
        while True:
            try:
                return await call(rpc, request, timeout)
            except LedgerError as error:
                pause = next(pauses, None) if error.reason in RETRIED else None
                if pause is None:
                    if error.reason in UNANSWERED:
                        raise Unanswered(error.reason, request_id) from None
                    raise
                self.tell(f"{error.reason.value}, trying again")
            await asyncio.sleep(pause)

    async def pages(self, rpc: Any, request: Any, *, limit: int = 0) -> Any:
        """All pages of a list in one response, at most `limit` items if that is not 0."""
        request.page_size = min(_PAGE, limit or _PAGE)
        merged = await self.call(rpc, request)
        (items,) = (field.name for field in merged.DESCRIPTOR.fields if field.is_repeated)
        while merged.next_page_token and not 0 < limit <= len(getattr(merged, items)):
            request.page_token = merged.next_page_token
            merged.ClearField("next_page_token")
            merged.MergeFrom(await self.call(rpc, request))
        if limit:
            del getattr(merged, items)[limit:]
        return merged

    def tell(self, text: str) -> None:
        """Say it on stderr, if that was asked for."""
        if self.options.verbose:
            print(text, file=sys.stderr)


def run(options: Options, work: Callable[[Session], Awaitable[T]]) -> T:
    """Do the work on a session of its own."""

    async def whole() -> T:
        async with Session(options) as session:
            return await work(session)

    return asyncio.run(whole())


def ask(options: Options, rpc: Callable[[Session], Any], request: Any) -> Any:
    """One call: `ask(options, lambda session: session.consent.CheckConsent, request)`."""
    return run(options, lambda session: session.call(rpc(session), request))
