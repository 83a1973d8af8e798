"""Single attempts in tests: a sender that trusts the test's authority, and a resolver that says what the test wants."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from consentledger.webhook import signing
from consentledger.webhook.addresses import networks
from consentledger.webhook.dialing import trust
from consentledger.webhook.sender import Outcome, Sender
from consentledger.webhook.signing import PrivateKey, SharedSecret
from tests.support.receivers import Answering, Authority, Hook, receiver

LOOPBACK = networks(["127.0.0.0/8"])
SECRET, PAIR = SharedSecret(bytes(32)), PrivateKey(bytes(32))


class Names:
    """A resolver that answers what the test says, in turn; the last answer stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def sender(authority: Authority, names: Any = None, **options: Any) -> Sender:
    """A sender that trusts the test's authority and may dial this machine, unless told otherwise."""
    options = {"allowed": LOOPBACK, **options}
    return Sender(names or Names(["127.0.0.1"]), trust(str(authority.ca_file)), **options)


@asynccontextmanager
async def hooked(authority: Authority, answering: Answering) -> AsyncIterator[Hook]:
    async with receiver(authority.server(), answering) as hook:
        yield hook


async def post(url: str, through: Sender, body: bytes = b"{}") -> Outcome:
    return await through.post(url, signing.headers([SECRET, PAIR], "msg_1", 1_700_000_000, body), body)
