"""P5: a person is erased. What callers see while it goes on and afterwards, on both stores."""

import hashlib
from pathlib import Path
from uuid import UUID

import pytest

from consentledger.errors import Reason
from consentledger.rpc.channel import call
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from services.consent.projection.lookups import due_grants
from tests.support.consent import NOTICE, TENANT, Ledger, clock, email, request_id
from tests.support.erasing import (
    EMAIL,
    ENFORCED,
    FAILED,
    SENT,
    Hand,
    Recipients,
    ended,
    erase,
    erasing,
    grant,
    hold,
    how_far,
    link,
    refusal,
    running,
    why,
    withdraw,
)

TELLING, ERASED = cs.ERASURE_STATE_TELLING_RECIPIENTS, cs.ERASURE_STATE_ERASED


async def person_of(made: Ledger, name: str) -> tuple[bytes, bytes]:
    """(person, wrapped key) that the identifier leads to."""
    known = (await made.service.eraser._directory.find(TENANT, [("email", f"{name}@example.org")]))[0]
    assert known is not None
    return known.person, known.wrapped


async def test_checks_deny_at_once_and_the_key_is_destroyed_when_everybody_was_told(
    tmp_path: Path, store_url: str
) -> None:
    told = Recipients(("mailer", SENT), ("lake", ENFORCED))
    async with running(tmp_path, store_url, told) as made:
        await grant(made.consent, "ada")
        person, wrapped = await person_of(made, "ada")
        before = clock()
        begun = await erase(made.consent, "ada")
        assert (begun.state, begun.suppressed, list(begun.attestations)) == (TELLING, False, [])
        assert begun.recipients_until.ToMicroseconds() - begun.started_at.ToMicroseconds() == 30 * 86_400_000_000
        assert await why(made.consent, "ada") == "NOT_ALLOWED ERASURE_IN_PROGRESS"
        far = await how_far(made.consent, begun.erasure_id)
        assert far.state == TELLING
        assert {(r.downstream, r.state, r.reason) for r in far.recipients} == {("mailer", SENT, ""), ("lake", 4, "")}
        told.obligations = (("mailer", ENFORCED), ("lake", ENFORCED))
        done = await ended(made.consent, begun.erasure_id)
        [attestation] = done.attestations
        destroyed = attestation.key_destroyed
        assert destroyed.erasure_id == UUID(begun.erasure_id).bytes
        assert (destroyed.key_id, destroyed.key_epoch) == (hashlib.sha256(wrapped).digest(), 1)
        assert before < destroyed.destroyed_at.ToMicroseconds() <= attestation.recorded_at.ToMicroseconds() + 1_000_000
        assert list(destroyed.cleaned) == ["keystore", "log.ciphertexts", "memory"]
        kept_us = destroyed.backups_until.ToMicroseconds() - destroyed.destroyed_at.ToMicroseconds()
        assert kept_us == 7 * 86_400_000_000
        assert [(r.downstream, r.state, r.reason) for r in done.recipients] == [("lake", 4, ""), ("mailer", 4, "")]
        entries = await made.store.streams([person])
        assert [e.type for e in entries][-2:] == ["subject.erased.v1", "key.destroyed.v1"]
        assert all(e.ciphertext is None for e in entries)
        assert entries[-1].position == attestation.position
        assert await made.keystore.wrapped([person]) == {} and await made.keystore.identifiers([person]) == []


async def test_waiting_for_recipients_ends_in_time_and_says_so(tmp_path: Path, store_url: str) -> None:
    now, told = Hand(), Recipients(("mailer", SENT), ("lake", ENFORCED), ("shop", FAILED), ("tape", 7), ("paper", 8))
    async with running(tmp_path, store_url, told, now=now) as made:
        await grant(made.consent, "ada")
        begun = await erase(made.consent, "ada", within=3_600)
        assert (await how_far(made.consent, begun.erasure_id)).state == TELLING
        now.ahead_us = 3_601_000_000
        done = await ended(made.consent, begun.erasure_id)
        outcomes = {r.downstream: (r.state, r.reason) for r in done.recipients}
        assert outcomes == {
            "lake": (ENFORCED, ""),
            "mailer": (SENT, "deadline"),
            "shop": (FAILED, "deadline"),
            "tape": (ev.OBLIGATION_STATE_IMPOSSIBLE, "impossible"),
            "paper": (ev.OBLIGATION_STATE_WAIVED, "waived"),
        }


@pytest.mark.parametrize(("fault", "reason"), [("away", "unreachable"), ("behind", "deadline")])
async def test_nobody_is_taken_for_told_while_the_notifier_cannot_say(tmp_path: Path, fault: str, reason: str) -> None:
    now, told = Hand(), Recipients(reached=fault != "behind")
    told.away = fault == "away"
    async with running(tmp_path, f"sqlite:///{tmp_path}/store.db", told, now=now) as made:
        await grant(made.consent, "ada")
        begun = await erase(made.consent, "ada", within=60)
        while len(told.asked) < 4:
            await how_far(made.consent, begun.erasure_id)
        assert (await how_far(made.consent, begun.erasure_id)).state == TELLING
        now.ahead_us = 61_000_000
        done = await ended(made.consent, begun.erasure_id)
        assert [(r.downstream, r.state, r.reason) for r in done.recipients] == [("", 0, reason)]


async def test_repeating_gives_the_first_answer_and_another_request_the_running_erasure(
    tmp_path: Path, store_url: str
) -> None:
    told = Recipients(("mailer", SENT))
    async with running(tmp_path, store_url, told) as made:
        await grant(made.consent, "ada")
        request = erasing("ada", context=ty.Context(collector="desk"))
        first = await call(made.consent.EraseSubject, request, 10)
        head = (await made.store.head()).position
        assert await call(made.consent.EraseSubject, request, 10) == first
        another = await call(made.consent.EraseSubject, erasing("ada", within=5), 10)
        assert another.erasure == first.erasure
        changed = erasing("ada")
        changed.request_id = request.request_id
        assert await refusal(call(made.consent.EraseSubject, changed, 10)) is Reason.REQUEST_ID_REUSED
        assert (await made.store.head()).position == head
        told.obligations = ()
        await ended(made.consent, first.erasure.erasure_id)
        assert await call(made.consent.EraseSubject, request, 10) == first, "the one handle on it must not be lost"
        assert await refusal(call(made.consent.EraseSubject, erasing("ada"), 10)) is Reason.SUBJECT_UNKNOWN


async def test_while_it_runs_acts_are_refused_or_change_nothing(tmp_path: Path, store_url: str) -> None:
    async with running(tmp_path, store_url, Recipients(("mailer", SENT))) as made:
        await grant(made.consent, "ada")
        await grant(made.consent, "ben")
        await erase(made.consent, "ada")
        head = (await made.store.head()).position
        assert await refusal(grant(made.consent, "ada")) is Reason.ERASURE_IN_PROGRESS
        assert await refusal(link(made.consent, "ada", "ben")) is Reason.ERASURE_IN_PROGRESS
        assert await refusal(hold(made.consent, "ada")) is Reason.ERASURE_IN_PROGRESS
        preference = ev.Preference(channel="email", topic="news", frequency="weekly")
        update = cs.UpdatePreferencesRequest(
            request_id=request_id(), tenant=TENANT, subject=email("ada"), preferences=[preference]
        )
        assert await refusal(call(made.consent.UpdatePreferences, update, 10)) is Reason.ERASURE_IN_PROGRESS
        await withdraw(made.consent, "ada")
        objection = cs.RecordObjectionRequest(request_id=request_id(), tenant=TENANT, subject=email("ada"))
        await call(made.consent.RecordObjection, objection, 10)
        assert (await made.store.head()).position == head
        history = au.GetSubjectHistoryRequest(tenant=TENANT, subject=email("ada"))
        lines = (await call(made.audit.GetSubjectHistory, history, 10)).events
        assert [line.type for line in lines][-1] == "subject.erased.v1"
        assert lines[0].subject_opened.subject.id == "ada@example.org", "readable until the key is destroyed"


async def test_grants_of_somebody_who_is_erased_come_to_no_end(tmp_path: Path, store_url: str) -> None:
    now = Hand()
    async with running(tmp_path, store_url, Recipients(("mailer", SENT)), now=now) as made:
        for name in ("ada", "ben"):
            choice = cs.ConsentChoice(purpose=EMAIL, choice=ty.CHOICE_GRANT)
            choice.expires_at.FromMicroseconds(clock() + 60_000_000)
            request = cs.RecordConsentRequest(
                request_id=request_id(), tenant=TENANT, subject=email(name), choices=[choice], notice_version=NOTICE,
                context=ty.Context(jurisdiction="DE"),
            )  # fmt: skip
            await call(made.consent.RecordConsent, request, 10)
        await erase(made.consent, "ada", within=3_600)
        now.ahead_us = 61_000_000
        assert await why(made.consent, "ben") == "NOT_ALLOWED EXPIRED"
        await made.service.expiry.sweep()
        assert await due_grants(made.store, now()) == [], "they would be looked at again and again"
        types = [e.type for e in await made.store.entries(0, 100)]
        assert types.count("consent.expired.v1") == 1


async def test_holds_keep_a_person_and_all_linked_until_they_are_lifted(tmp_path: Path, store_url: str) -> None:
    async with running(tmp_path, store_url, Recipients()) as made:
        await grant(made.consent, "ada")
        await grant(made.consent, "ben")
        await link(made.consent, "ada", "ben")
        await hold(made.consent, "ben")
        assert await refusal(erase(made.consent, "ada")) is Reason.HOLD_STANDS
        assert await why(made.consent, "ada") == "ALLOWED GRANTED"
        await hold(made.consent, "ben", placed=False)
        begun = await erase(made.consent, "ada")
        assert len((await ended(made.consent, begun.erasure_id)).attestations) == 2


async def test_a_hold_on_somebody_never_seen_makes_them_and_nobody_else_is_made(tmp_path: Path) -> None:
    async with running(tmp_path, f"sqlite:///{tmp_path}/store.db", Recipients()) as made:
        await hold(made.consent, "lou", placed=False)
        assert await refusal(erase(made.consent, "lou")) is Reason.SUBJECT_UNKNOWN
        await hold(made.consent, "lou")
        assert await refusal(erase(made.consent, "lou")) is Reason.HOLD_STANDS
        assert await refusal(erase(made.consent, "nobody")) is Reason.SUBJECT_UNKNOWN
        assert (await made.service.eraser._directory.find(TENANT, [("email", "nobody@example.org")])) == [None]
        unknown = cs.GetErasureRequest(tenant=TENANT, erasure_id=request_id())
        assert await refusal(call(made.consent.GetErasure, unknown, 10)) is Reason.ERASURE_UNKNOWN


async def test_everybody_linked_is_erased_with_an_attestation_each(tmp_path: Path, store_url: str) -> None:
    told = Recipients(("mailer", ENFORCED))
    async with running(tmp_path, store_url, told) as made:
        for name in ("ada", "ben", "cem"):
            await grant(made.consent, name)
        await link(made.consent, "ada", "ben")
        await link(made.consent, "ben", "cem")
        await grant(made.consent, "dee")
        done = await ended(made.consent, (await erase(made.consent, "cem")).erasure_id)
        assert len({a.key_destroyed.key_id for a in done.attestations}) == 3
        assert len({position for _, position in told.asked}) == 3, "recipients are told of each"
        assert [(r.downstream, r.state) for r in done.recipients] == [("mailer", ENFORCED)]
        for name in ("ada", "ben", "cem"):
            assert await why(made.consent, name) == "NOT_ALLOWED NO_RECORD"
        assert await why(made.consent, "dee") == "ALLOWED GRANTED"
