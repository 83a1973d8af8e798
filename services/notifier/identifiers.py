"""By which identifiers a downstream knows a person: asked when a message is sent, and kept nowhere.

- What `expect` asked ahead of time is used once, by the message it was asked for. What was not used is dropped at the
  next `expect`, so that at most one batch is ever held, in memory only.
- A person without an identifier in the namespace has none, and the message says so.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from consentledger.rpc.channel import call
from consentledger.v1 import consent_service_pb2 as cs

MOST_PERSONS = 1_000
Wanted: TypeAlias = tuple[str, str, bytes]
"""(tenant, namespace, person)."""
Found: TypeAlias = Mapping[bytes, tuple[str, ...]]


class ConsentStub(Protocol):
    """What is used of the generated stub."""

    @property
    def ResolveIdentifiers(self) -> Any:
        """The rpc."""


class Identifiers:
    """Asks the consent service."""

    def __init__(self, stub: ConsentStub, timeout: float) -> None:
        self._stub = stub
        self._timeout = timeout
        self._expected: dict[Wanted, asyncio.Task[Found]] = {}

    def expect(self, wanted: Iterable[Wanted]) -> None:
        """Ask now for what will be needed in a moment. Never raises; a failure is met again when it is needed."""
        self.forget()
        for key, task in self._ask(wanted):
            self._expected[key] = task

    def forget(self) -> None:
        """Drop what was asked ahead of time."""
        expected, self._expected = self._expected, {}
        for task in set(expected.values()):
            task.cancel()

    async def of(self, wanted: Sequence[Wanted]) -> dict[Wanted, tuple[str, ...]]:
        """The identifiers of each. Raises `LedgerError` when the consent service cannot say: never a part."""
        ahead = {key: self._expected.pop(key) for key in set(wanted) if key in self._expected}
        found: dict[Wanted, tuple[str, ...]] = {}
        results = await asyncio.gather(*set(ahead.values()), return_exceptions=True)
        if not any(isinstance(result, BaseException) for result in results):
            found = {key: task.result()[key[2]] for key, task in ahead.items()}
        now = list(self._ask(key for key in wanted if key not in found))
        try:
            for key, task in now:
                found[key] = (await task)[key[2]]
        finally:
            for _, task in now:
                task.cancel()
        return found

    def _ask(self, wanted: Iterable[Wanted]) -> Iterable[tuple[Wanted, "asyncio.Task[Found]"]]:
        persons: dict[tuple[str, str], list[bytes]] = {}
        for tenant, namespace, person in dict.fromkeys(wanted):
            persons.setdefault((tenant, namespace), []).append(person)
        for (tenant, namespace), everyone in persons.items():
            for at in range(0, len(everyone), MOST_PERSONS):
                some = everyone[at : at + MOST_PERSONS]
                task = asyncio.create_task(self._resolve(tenant, namespace, some))
                task.add_done_callback(_heard)
                for person in some:
                    yield (tenant, namespace, person), task

    async def _resolve(self, tenant: str, namespace: str, persons: Sequence[bytes]) -> Found:
        request = cs.ResolveIdentifiersRequest(tenant=tenant, persons=persons, namespace=namespace)
        answer: cs.ResolveIdentifiersResponse = await call(self._stub.ResolveIdentifiers, request, self._timeout)
        found = {resolved.person: tuple(resolved.ids) for resolved in answer.persons}
        if not found.keys() >= set(persons):
            raise LookupError("the consent service left somebody out")
        return found


def _heard(task: "asyncio.Task[Found]") -> None:
    """An exception that nobody awaits is not reported: whoever needs the answer asks again."""
    if not task.cancelled():
        task.exception()
