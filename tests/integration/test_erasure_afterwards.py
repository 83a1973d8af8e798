"""P5: what is left when a person was erased, who remembers them, and who comes under their name. On both stores."""

from pathlib import Path

import grpc

from consentledger.errors import Reason
from consentledger.rpc.channel import call
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty
from tests.support.consent import TENANT, Ledger, clock, email, request_id
from tests.support.erasing import (
    EMAIL,
    SALE,
    Recipients,
    ended,
    erase,
    grant,
    refusal,
    running,
    why,
    withdraw,
)


async def person_of(made: Ledger, name: str) -> tuple[bytes, bytes]:
    """(person, wrapped key) that the identifier leads to."""
    known = (await made.service.eraser._directory.find(TENANT, [("email", f"{name}@example.org")]))[0]
    assert known is not None
    return known.person, known.wrapped


async def test_afterwards_the_person_is_unknown_and_the_identifier_starts_a_fresh_one(
    tmp_path: Path, store_url: str
) -> None:
    async with running(tmp_path, store_url, Recipients()) as made:
        await grant(made.consent, "ada")
        old, _ = await person_of(made, "ada")
        await ended(made.consent, (await erase(made.consent, "ada")).erasure_id)
        history = au.GetSubjectHistoryRequest(tenant=TENANT, subject=email("ada"))
        assert await refusal(call(made.audit.GetSubjectHistory, history, 10)) is Reason.SUBJECT_UNKNOWN
        assert await why(made.consent, "ada") == "NOT_ALLOWED NO_RECORD"
        question = cs.CheckConsentRequest(tenant=TENANT, subject=email("ada"), purpose=EMAIL, jurisdiction="DE")
        question.as_of.FromMicroseconds(clock() - 1_000)
        past = await call(made.consent.CheckConsent, question, 10)
        assert past.reason == ty.DECISION_REASON_NO_RECORD, "nothing is told of a past that is nobody's"
        state = cs.GetConsentStateRequest(tenant=TENANT, subject=email("ada"))
        answer = await call(made.consent.GetConsentState, state, 10)
        assert {s.state for s in answer.states} == {ty.CONSENT_STATE_UNKNOWN}
        await grant(made.consent, "ada")
        new, _ = await person_of(made, "ada")
        assert new != old
        assert await why(made.consent, "ada") == "ALLOWED GRANTED"
        lines = (await call(made.audit.GetSubjectHistory, history, 10)).events
        assert [line.type for line in lines] == ["subject.opened.v1", "consent.recorded.v1"]
        resolve = cs.ResolveIdentifiersRequest(tenant=TENANT, persons=[old, new], namespace="email")
        resolved = await call(made.consent.ResolveIdentifiers, resolve, 10)
        assert [list(p.ids) for p in resolved.persons] == [[], ["ada@example.org"]]


async def test_a_request_answered_before_is_subject_erased_and_makes_nobody(tmp_path: Path, store_url: str) -> None:
    async with running(tmp_path, store_url, Recipients()) as made:
        choice = cs.ConsentChoice(purpose=EMAIL, choice=ty.CHOICE_GRANT)
        request = cs.RecordConsentRequest(
            request_id=request_id(), tenant=TENANT, subject=email("ada"), choices=[choice],
            notice_version="marketing-2026-02-de", context=ty.Context(jurisdiction="DE"),
        )  # fmt: skip
        await call(made.consent.RecordConsent, request, 10)
        await ended(made.consent, (await erase(made.consent, "ada")).erasure_id)
        head = (await made.store.head()).position
        assert await refusal(call(made.consent.RecordConsent, request, 10)) is Reason.SUBJECT_ERASED
        assert await made.service.eraser._directory.find(TENANT, [("email", "ada@example.org")]) == [None]
        assert (await made.store.head()).position == head
        rows = await made.store.read("SELECT method, mac, answer FROM answer WHERE mac = $1 ORDER BY method", b"")
        assert [(method, mac) for method, mac, _ in rows] == [("EraseSubject", b""), ("RecordConsent", b"")]
        assert [answer for method, _, answer in rows if method == "RecordConsent"] == [b""]
        await grant(made.consent, "ada")
        assert await refusal(call(made.consent.RecordConsent, request, 10)) is Reason.SUBJECT_ERASED


async def test_another_replica_forgets_and_follows(tmp_path: Path, postgres_url: str) -> None:
    async with (
        running(tmp_path, postgres_url, Recipients(), keys_url=postgres_url) as one,
        running(tmp_path, postgres_url, Recipients(), keys_url=postgres_url, catalogue=False) as two,
    ):
        await grant(one.consent, "ada")
        assert await why(two.consent, "ada") == "ALLOWED GRANTED"
        directory = two.service.eraser._directory
        assert directory.remembered(TENANT, "email", "ada@example.org") is not None
        await ended(one.consent, (await erase(one.consent, "ada")).erasure_id)
        assert await why(two.consent, "ada") == "NOT_ALLOWED NO_RECORD"
        await withdraw(two.consent, "ada", EMAIL)
        assert await why(one.consent, "ada") == "NOT_ALLOWED WITHDRAWN"
        items = [cs.CheckItem(subject=email("ada"), purpose=EMAIL, jurisdiction="DE")]
        batch = await call(one.consent.BatchCheckConsent, cs.BatchCheckConsentRequest(tenant=TENANT, items=items), 10)
        assert batch.results[0].reason == ty.DECISION_REASON_WITHDRAWN


async def test_a_stale_memory_leads_to_the_fresh_person(tmp_path: Path, store_url: str) -> None:
    async with running(tmp_path, store_url, Recipients()) as made:
        directory = made.service.eraser._directory
        for name in ("ada", "ben", "cem"):
            await grant(made.consent, name)
        stale = {n: (await directory.find(TENANT, [("email", f"{n}@example.org")]))[0] for n in ("ada", "ben", "cem")}
        for name in ("ada", "ben", "cem"):
            await ended(made.consent, (await erase(made.consent, name)).erasure_id)
            known = stale[name]
            assert known is not None
            directory.remember(TENANT, "email", f"{name}@example.org", known)
        assert await why(made.consent, "ada") == "NOT_ALLOWED NO_RECORD"
        assert directory.remembered(TENANT, "email", "ada@example.org") is None
        await withdraw(made.consent, "ben", EMAIL)
        assert await why(made.consent, "ben") == "NOT_ALLOWED WITHDRAWN"
        items = [cs.CheckItem(subject=email(n), purpose=EMAIL, jurisdiction="DE") for n in ("cem", "ben")]
        batch = await call(made.consent.BatchCheckConsent, cs.BatchCheckConsentRequest(tenant=TENANT, items=items), 10)
        assert [r.reason for r in batch.results] == [ty.DECISION_REASON_NO_RECORD, ty.DECISION_REASON_WITHDRAWN]


async def test_a_key_store_put_back_to_before_the_erasure_allows_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    async with running(tmp_path, url) as made:
        await grant(made.consent, "ada", SALE, place="US-CA")
    backup = (tmp_path / "keys.db").read_bytes()
    async with running(tmp_path, url, Recipients(), catalogue=False) as made:
        await ended(made.consent, (await erase(made.consent, "ada")).erasure_id)
    (tmp_path / "keys.db").write_bytes(backup)
    async with running(tmp_path, url, Recipients(), catalogue=False) as made:
        assert await why(made.consent, "ada", SALE, "US-CA") == "NOT_ALLOWED ERASURE_IN_PROGRESS"
        assert await refusal(grant(made.consent, "ada")) is Reason.SUBJECT_ERASED


async def test_a_watcher_sees_the_end_and_then_the_fresh_person(tmp_path: Path) -> None:
    async with running(tmp_path, f"sqlite:///{tmp_path}/store.db", Recipients()) as made:
        await grant(made.consent, "ada")
        head = (await made.store.head()).position
        request = cs.WatchConsentRequest(tenant=TENANT, from_position=head + 1, subject=email("ada"))
        watch = made.consent.WatchConsent(request, timeout=30)
        assert isinstance(watch, grpc.aio.UnaryStreamCall)
        await ended(made.consent, (await erase(made.consent, "ada")).erasure_id)
        await grant(made.consent, "ada")
        seen: list[str] = []
        async for event in watch:
            if event.HasField("entry"):
                seen.append(event.entry.type)
            if seen[-1:] == ["consent.recorded.v1"]:
                break
        watch.cancel()
        assert seen == ["subject.erased.v1", "key.destroyed.v1", "subject.opened.v1", "consent.recorded.v1"]
