"""One attempt to deliver one webhook: bounded in time and size, to a checked address, without redirects.

- The host is looked up at each attempt, and every address that it has must be allowed: see `addresses`.
- No connection is kept for the next attempt, so that none outlives the check of its address.
- Nothing is raised for what the network or the peer does; it is in the outcome, as a token without their words.
"""

import asyncio
import ssl
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import h11

from consentledger.webhook.addresses import AddressRefused, Network, check_all
from consentledger.webhook.answer import Answer, NoAnswer
from consentledger.webhook.dialing import CannotConnect, CannotTrust, dial
from consentledger.webhook.lookups import Lookup
from consentledger.webhook.target import BadTarget, Target, parse_target

MOST_BODY = 20_000
"""Bytes of a body; what Standard Webhooks 1.0 recommends."""


class Failure(StrEnum):
    """Why no status came."""

    URL_REFUSED = "url_refused"
    ADDRESS_REFUSED = "address_refused"
    NAME_UNRESOLVED = "name_unresolved"
    NOT_CONNECTED = "not_connected"
    NOT_TRUSTED = "not_trusted"
    NO_ANSWER = "no_answer"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to."""

    status: int | None
    """The answer's, or None if there was none; then `failure` says why."""
    retry_after: str = field(default="", repr=False)
    """The header, for `schedule`; empty if there was none."""
    body: bytes = field(default=b"", repr=False)
    """The answer's, whole, or empty. The peer's words."""
    failure: Failure | None = None


class Sender:
    """Sends attempts, any number at a time. Times are in seconds.

    `connect_seconds` bound each of looking up, connecting and TLS; `total_seconds` all of an attempt.
    """

    def __init__(
        self,
        lookup: Lookup,
        context: ssl.SSLContext,
        *,
        allowed: Sequence[Network] = (),
        plain_hosts: Collection[str] = (),
        connect_seconds: float = 5.0,
        total_seconds: float = 20.0,
    ) -> None:
        self._lookup = lookup
        self._context = context
        self._allowed = allowed
        self._plain_hosts = plain_hosts
        self._connect_seconds = connect_seconds
        self._total_seconds = total_seconds

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send `body`, which is JSON, with these headers beside the usual ones. ValueError for one over MOST_BODY."""
        if len(body) > MOST_BODY:
            raise ValueError("the body is too large")
        connection = h11.Connection(h11.CLIENT)
        answer = Answer(connection)
        failure: Failure | None = None
        try:
            async with asyncio.timeout(self._total_seconds):
                target = parse_target(url, self._plain_hosts)
                addresses = await self._resolve(target)
                await self._exchange(target, addresses, connection, _request(connection, target, headers, body), answer)
        except BadTarget:
            failure = Failure.URL_REFUSED
        except AddressRefused:
            failure = Failure.ADDRESS_REFUSED
        except _Unresolved:
            failure = Failure.NAME_UNRESOLVED
        except CannotConnect:
            failure = Failure.NOT_CONNECTED
        except CannotTrust:
            failure = Failure.NOT_TRUSTED
        except NoAnswer:
            failure = Failure.NO_ANSWER
        except TimeoutError:
            failure = Failure.TIMEOUT
        if answer.status is not None:
            return Outcome(answer.status, answer.retry_after, answer.body)
        return Outcome(None, failure=failure)

    async def _resolve(self, target: Target) -> Sequence[str]:
        if target.literal:
            found: Sequence[str] = [target.host]
        else:
            try:
                async with asyncio.timeout(self._connect_seconds):
                    found = await self._lookup(target.host, target.port)
            except (OSError, UnicodeError, TimeoutError):
                raise _Unresolved from None
        check_all(found, self._allowed)
        return found

    async def _exchange(
        self, target: Target, addresses: Sequence[str], connection: h11.Connection, request: bytes, answer: Answer
    ) -> None:
        reader, writer = await dial(target, addresses, self._context, self._connect_seconds)
        try:
            writer.write(request)
            await answer.read(reader)
        except BaseException:
            writer.transport.abort()
            raise
        finally:
            writer.close()


class _Unresolved(Exception):
    """The name has no address, or nobody said so in time."""


def _request(connection: h11.Connection, target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    fields = {
        "Host": target.authority,
        "User-Agent": "consentledger",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Connection": "close",
        **headers,
    }
    events = (
        h11.Request(method="POST", target=target.path, headers=list(fields.items())),
        h11.Data(data=body),
        h11.EndOfMessage(),
    )
    return b"".join(connection.send(event) or b"" for event in events)
