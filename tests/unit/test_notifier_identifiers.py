"""Identifiers are asked when needed, used once and kept nowhere; subjects hide whom they are about."""

import asyncio
from typing import Any

import pytest

from consentledger.v1 import consent_service_pb2 as cs
from services.notifier.dispatch import subject_token
from services.notifier.identifiers import Identifiers, Wanted

ADA: Wanted = ("acme", "email", b"a" * 16)
BEA: Wanted = ("acme", "crm", b"b" * 16)


class Answers:
    """A stub that answers `<namespace>:<first letter>`; each call waits until it may go on."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.failing = False

    async def ResolveIdentifiers(
        self, request: cs.ResolveIdentifiersRequest, /, *, timeout: float, metadata: Any
    ) -> cs.ResolveIdentifiersResponse:
        self.calls.append((request.namespace, len(request.persons)))
        await asyncio.sleep(0)
        if self.failing:
            raise ConnectionError
        named = [cs.ResolvedPerson(person=p, ids=[f"{request.namespace}:{chr(p[0])}"]) for p in request.persons]
        return cs.ResolveIdentifiersResponse(persons=named)


async def test_one_call_asks_for_all_persons_of_a_namespace() -> None:
    stub = Answers()
    others: list[Wanted] = [("acme", "email", bytes([n]) * 16) for n in range(65, 75)]
    found = await Identifiers(stub, 1.0).of([ADA, BEA, ADA, *others])
    assert found[ADA] == ("email:a",)
    assert found[BEA] == ("crm:b",)
    assert sorted(stub.calls) == [("crm", 1), ("email", 11)]


async def test_what_was_asked_ahead_is_used_once() -> None:
    stub = Answers()
    identifiers = Identifiers(stub, 1.0)
    identifiers.expect([ADA])
    assert await identifiers.of([ADA]) == {ADA: ("email:a",)}
    assert len(stub.calls) == 1
    assert await identifiers.of([ADA]) == {ADA: ("email:a",)}
    assert len(stub.calls) == 2


async def test_what_was_asked_ahead_and_not_used_is_dropped() -> None:
    stub = Answers()
    identifiers = Identifiers(stub, 1.0)
    identifiers.expect([ADA])
    await asyncio.sleep(0)
    identifiers.expect([BEA])
    await identifiers.of([ADA])
    assert [namespace for namespace, _ in stub.calls].count("email") == 2


async def test_asking_ahead_in_vain_is_no_failure_of_what_comes_later() -> None:
    stub = Answers()
    identifiers = Identifiers(stub, 1.0)
    stub.failing = True
    identifiers.expect([ADA])
    for _ in range(5):
        await asyncio.sleep(0)
    stub.failing = False
    assert await identifiers.of([ADA]) == {ADA: ("email:a",)}


async def test_more_persons_than_one_call_takes_are_asked_in_several() -> None:
    stub = Answers()
    everyone: list[Wanted] = [("acme", "email", n.to_bytes(16, "big")) for n in range(2_500)]
    assert len(await Identifiers(stub, 1.0).of(everyone)) == 2_500
    assert [count for _, count in stub.calls] == [1_000, 1_000, 500]


async def test_nobody_is_sent_without_a_name_because_the_answer_was_short() -> None:
    class Forgetful(Answers):
        async def ResolveIdentifiers(self, request: Any, /, *, timeout: float, metadata: Any) -> Any:
            return cs.ResolveIdentifiersResponse()

    with pytest.raises(LookupError):
        await Identifiers(Forgetful(), 1.0).of([ADA])


def test_a_subjects_token_is_one_for_each_downstream_and_person_and_needs_the_key() -> None:
    key, person = b"k" * 32, b"a" * 16
    token = subject_token(key, "acme", "mailer", person)
    assert token == subject_token(key, "acme", "mailer", person)
    others = {
        subject_token(key, "acme", "lake", person),
        subject_token(key, "other", "mailer", person),
        subject_token(key, "acme", "mailer", b"b" * 16),
        subject_token(b"l" * 32, "acme", "mailer", person),
        subject_token(key, "acmem", "ailer", person),
        subject_token(key, "acme", "mailer", b""),
    }
    assert len(others | {token}) == 7
    assert len(token) == 32
