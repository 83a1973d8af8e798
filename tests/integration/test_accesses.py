"""P6, as far as there are no roles: each read of a person's data by people is recorded before it is answered."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from consentledger.errors import LedgerError
from consentledger.rpc.channel import call as ask
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from services.consent.projection.rebuild import digest, rebuild
from services.notifier.revocations import revocation_of
from tests.integration.test_idempotent import reason
from tests.integration.test_idempotent_faults import BOTH, once
from tests.support.asking import act, check, grant, states, withdraw
from tests.support.consent import TENANT, Ledger, email, ledger
from tests.support.failing_store import Failure, failing_stores
from tests.support.nats import nats_server
from tests.support.rpc_cases import rpcs

ACTOR = "ines.auditor@example.org"
WHY = ty.AccessReason(purpose="audit", actor=ACTOR)
TYPE = "access.recorded.v1"
HISTORY = next(r for r in rpcs("AuditService") if r.name == "GetSubjectHistory")
EXPORT = next(r for r in rpcs("ConsentService") if r.name == "ExportSubject")
KEY = X25519PrivateKey.generate().public_key().public_bytes_raw()


def history(name: str, **fields: Any) -> au.GetSubjectHistoryRequest:
    return au.GetSubjectHistoryRequest(tenant=TENANT, subject=email(name), **fields)


async def recorded(running: Ledger) -> list[tuple[int, ev.LedgerEntry]]:
    entries = await running.store.entries(0, 10_000, types=[TYPE])
    return [(e.position, ev.LedgerEntry.FromString(e.leaf)) for e in entries]


async def listed(running: Ledger, name: str, **fields: Any) -> au.ListAccessesResponse:
    request = au.ListAccessesRequest(tenant=TENANT, subject=email(name), **fields)
    answer: au.ListAccessesResponse = await ask(running.audit.ListAccesses, request, 10)
    return answer


async def link(running: Ledger, left: str, right: str) -> None:
    await act(running, "LinkIdentifiers", left=email(left), right=email(right))


async def export(running: Ledger, name: str, why: ty.AccessReason = WHY) -> bytes:
    request = cs.ExportSubjectRequest(tenant=TENANT, subject=email(name), recipient_key=KEY, access=why)
    return b"".join([piece.data async for piece in running.consent.ExportSubject(request, timeout=20)])


async def test_a_read_is_on_record_when_its_answer_is_there(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        await ask(running.audit.GetSubjectHistory, history("ada", access=WHY), 10)
        [(position, leaf)] = await recorded(running)
        said = leaf.header.access_recorded
        assert (said.method, said.purpose, said.role) == ("GetSubjectHistory", "audit", "")
        assert said.person == leaf.stream and list(said.fields) == ["events", "identifiers"]
        await export(running, "ada")
        (_, first), (_, second) = await recorded(running)
        assert first == leaf and second.header.access_recorded.method == "ExportSubject"
        assert list(second.header.access_recorded.fields) == ["everything"]
        assert position == (await running.store.head()).position - 1


async def test_who_read_is_sealed_and_told_to_the_person(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        await ask(running.audit.GetSubjectHistory, history("ada", access=WHY), 10)
        [entry] = await running.store.entries(0, 10_000, types=[TYPE])
        assert entry.ciphertext is not None and ACTOR.encode() not in entry.leaf + entry.ciphertext
        [access] = (await listed(running, "ada")).accesses
        assert (access.method, access.purpose, access.actor) == ("GetSubjectHistory", "audit", ACTOR)
        assert access.position == entry.position and not access.linked


async def test_a_read_without_a_reason_is_unstated(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        await ask(running.audit.GetSubjectHistory, history("ada"), 10)
        [access] = (await listed(running, "ada")).accesses
        assert (access.purpose, access.actor) == ("unstated", "")


async def test_each_read_counts_and_asking_who_read_does_not(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        for _ in range(3):
            await ask(running.audit.GetSubjectHistory, history("ada", access=WHY), 10)
        await asyncio.gather(*(ask(running.audit.GetSubjectHistory, history("ada"), 10) for _ in range(20)))
        before = (await running.store.head()).position
        assert len((await listed(running, "ada", page_size=1_000)).accesses) == 23
        assert await states(running, "ada")
        await ask(running.consent.GetPreferences, cs.GetPreferencesRequest(tenant=TENANT, subject=email("ada")), 10)
        assert (await running.store.head()).position == before


async def test_pages_of_a_history_end_although_each_is_recorded(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        await withdraw(running, "ada")
        types, token, pages = list[str](), "", 0
        while pages == 0 or token:
            page = await ask(running.audit.GetSubjectHistory, history("ada", page_size=1, page_token=token), 10)
            types += [event.type for event in page.events]
            token, pages = page.next_page_token, pages + 1
        assert types == ["subject.opened.v1", "consent.recorded.v1", "consent.withdrawn.v1"]
        assert len(await recorded(running)) == pages == 3


async def test_a_read_is_recorded_with_everyone_whose_data_it_gave(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        for name in ("ada", "ben", "cleo"):
            await grant(running, name)
        await link(running, "ada", "ben")
        await ask(running.audit.GetSubjectHistory, history("ada", access=WHY), 10)
        both = await recorded(running)
        assert len({leaf.stream for _, leaf in both}) == 2
        assert {tuple(leaf.header.access_recorded.fields) for _, leaf in both} == {("events", "identifiers", "linked")}
        for name in ("ada", "ben"):  # each sees both records, one of them as the other's
            found = (await listed(running, name)).accesses
            assert sorted(a.linked for a in found) == [False, True] and {a.actor for a in found} == {ACTOR}
        assert not (await listed(running, "cleo")).accesses
        first = await ask(running.audit.GetSubjectHistory, history("ada", page_size=1), 10)
        assert len(first.events) == 1 and len(await recorded(running)) == 3  # a page with nothing of ben
        await export(running, "ben")
        assert len(await recorded(running)) == 5


async def test_accesses_come_newest_first_in_pages_that_hold_while_more_are_made(
    tmp_path: Path, store_url: str
) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        for number in range(5):
            why = ty.AccessReason(purpose=f"purpose-{number}")
            await ask(running.audit.GetSubjectHistory, history("ada", access=why), 10)
        found, token, pages = list[str](), "", 0
        while pages == 0 or token:
            page = await listed(running, "ada", page_size=2, page_token=token)
            found += [access.purpose for access in page.accesses]
            token, pages = page.next_page_token, pages + 1
            await ask(running.audit.GetSubjectHistory, history("ada"), 10)
        assert found == [f"purpose-{number}" for number in (4, 3, 2, 1, 0)] and pages == 3


async def test_a_read_about_nobody_writes_nothing_and_looks_the_same(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        before = (await running.store.head()).position
        for call in (
            ask(running.audit.GetSubjectHistory, history("nobody", access=WHY), 10),
            listed(running, "nobody"),
        ):
            with pytest.raises(LedgerError, match="SUBJECT_UNKNOWN"):
                await call
        assert await reason(export(running, "nobody")) == "NOT_FOUND SUBJECT_UNKNOWN"
        assert (await running.store.head()).position == before


@pytest.mark.parametrize("how", BOTH)
async def test_a_read_that_cannot_be_recorded_fails_and_gives_nothing(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch, how: Failure
) -> None:
    failing = failing_stores(monkeypatch)
    async with (
        nats_server() as nats,
        ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running,
        once(running) as call,
    ):
        await grant(running, "ada")
        sealed = cs.ExportSubjectRequest(tenant=TENANT, subject=email("ada"), recipient_key=KEY, access=WHY)
        written = 0
        for rpc, request in ((HISTORY, history("ada", access=WHY)), (EXPORT, sealed)):
            failing[0].fail(how)
            # `RawCaller` returns the first answer of a stream: there is none before the failure.
            assert await reason(call(rpc, request.SerializeToString())) == "UNAVAILABLE STORE_UNAVAILABLE"
            written += how == "applied"  # a record too many is better than one too few
            assert len(await recorded(running)) == written
            assert await call(rpc, request.SerializeToString())
            written += 1
            assert len(await recorded(running)) == written
        assert failing[0].failures == 2


async def test_a_service_that_records_nothing_any_more_answers_no_read(tmp_path: Path, store_url: str) -> None:
    async with (
        nats_server() as nats,
        ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running,
        once(running) as call,
    ):
        await grant(running, "ada")
        await running.service.committer.close()
        assert await states(running, "ada")  # reading would still be possible
        raw = history("ada", access=WHY).SerializeToString()
        assert await reason(call(HISTORY, raw)) == "UNAVAILABLE SHUTTING_DOWN"


async def test_watchers_see_that_a_read_happened_and_nobody_revokes_for_it(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        before = await check(running, "ada")
        await ask(running.audit.GetSubjectHistory, history("ada", access=WHY), 10)
        [(position, leaf)] = await recorded(running)
        watch = running.consent.WatchConsent(cs.WatchConsentRequest(tenant=TENANT, from_position=position), timeout=10)
        async for event in watch:
            assert event.position == position and event.entry == leaf
            assert ACTOR not in str(event)
            break
        watch.cancel()
        assert revocation_of(position, leaf.SerializeToString(deterministic=True)) is None
        after = await check(running, "ada")
        before.consistency_token = after.consistency_token = ""
        assert after == before and after.decision == ty.DECISION_ALLOWED


async def test_reads_leave_no_mark_in_what_is_rebuilt_from_the_log(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        await link(running, "ada", "ben")
        async with running.store.write() as tx:
            before = await digest(tx)
        await ask(running.audit.GetSubjectHistory, history("ada", access=WHY), 10)
        await export(running, "ben")
        rebuilt = await rebuild(running.store)
        assert rebuilt.before == rebuilt.after == before


async def test_a_read_that_meets_the_end_of_an_erasure_gives_nothing_and_leaves_nothing_sealed(
    tmp_path: Path, store_url: str
) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        await link(running, "ada", "ben")
        accesses = running.service.persons._accesses
        records = await accesses._finder.find(TENANT, email("ada"))
        await running.keystore.remove([records.members[0]])  # as an erasure does, after these records were found
        with pytest.raises(LedgerError, match="SUBJECT_UNKNOWN"):
            await accesses.record(records, "GetSubjectHistory", WHY, dict.fromkeys(records.persons, ("events",)))
        left = await running.store.streams(records.persons)
        assert [e.type for e in left].count(TYPE) == 2 and not any(e.ciphertext for e in left)
        with pytest.raises(LedgerError, match="SUBJECT_UNKNOWN"):  # and for whoever comes later, nothing is written
            await ask(running.audit.GetSubjectHistory, history("ada", access=WHY), 10)
        assert len(await recorded(running)) == 2
