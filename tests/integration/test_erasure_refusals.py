"""P5: an opted-out person is not ALLOWED by being forgotten."""

import json
from pathlib import Path

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.channel import call
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty
from services.consent.projection.rebuild import rebuild
from tests.support.consent import TENANT, Ledger, clock, email, request_id
from tests.support.erasing import ADS, EMAIL, SALE, Recipients, ended, erase, grant, link, running, why, withdraw
from tests.support.places import sqlite_tables

CA = "US-CA"
REFUSED, FREE = "NOT_ALLOWED OBJECTED", "ALLOWED NOT_OPTED_OUT"


async def gone(made: Ledger, name: str) -> cs.Erasure:
    """Erase, to the end."""
    return await ended(made.consent, (await erase(made.consent, name)).erasure_id)


async def batch(made: Ledger, *names: str, purpose: str = SALE) -> list[str]:
    """The decisions of one batch."""
    items = [cs.CheckItem(subject=email(name), purpose=purpose, jurisdiction=CA) for name in names]
    request = cs.BatchCheckConsentRequest(tenant=TENANT, items=items)
    answer: cs.BatchCheckConsentResponse = await call(made.consent.BatchCheckConsent, request, 10)
    return [ty.Decision.Name(r.decision).removeprefix("DECISION_") for r in answer.results]


async def test_who_opted_out_of_one_purpose_stays_out_of_it_and_only_of_it(tmp_path: Path, store_url: str) -> None:
    async with running(tmp_path, store_url, Recipients()) as made:
        await withdraw(made.consent, "ada", SALE)
        done = await gone(made, "ada")
        assert done.suppressed
        assert await why(made.consent, "ada", SALE, CA) == REFUSED
        assert await why(made.consent, "ada", ADS, CA) == FREE
        assert await why(made.consent, "ben", SALE, CA) == FREE
        assert await batch(made, "ada", "ben", "ada") == ["NOT_ALLOWED", "ALLOWED", "NOT_ALLOWED"]
        state = cs.GetConsentStateRequest(tenant=TENANT, subject=email("ada"))
        states = {s.purpose: s.state for s in (await call(made.consent.GetConsentState, state, 10)).states}
        assert (states[SALE], states[ADS]) == (ty.CONSENT_STATE_OBJECTED, ty.CONSENT_STATE_UNKNOWN)
        question = cs.CheckConsentRequest(tenant=TENANT, subject=email("ada"), purpose=SALE, jurisdiction=CA)
        question.as_of.FromMicroseconds(clock() - 1_000)
        assert (await call(made.consent.CheckConsent, question, 10)).decision == ty.DECISION_NOT_ALLOWED


async def test_the_identifier_is_found_however_it_is_written(tmp_path: Path) -> None:
    async with running(tmp_path, f"sqlite:///{tmp_path}/store.db", Recipients()) as made:
        await withdraw(made.consent, "ada", SALE)
        await gone(made, "ada")
        assert await why(made.consent, "ADA", SALE, CA) == REFUSED


async def test_whoever_comes_again_is_still_out_until_a_newer_grant(tmp_path: Path, store_url: str) -> None:
    async with running(tmp_path, store_url, Recipients()) as made:
        await withdraw(made.consent, "ada", SALE, ADS)
        await gone(made, "ada")
        preference = cs.UpdatePreferencesRequest(request_id=request_id(), tenant=TENANT, subject=email("ada"))
        preference.preferences.add(channel="email", topic="news", frequency="weekly")
        await call(made.consent.UpdatePreferences, preference, 10)
        assert await why(made.consent, "ada", SALE, CA) == REFUSED
        await grant(made.consent, "ada", SALE, place=CA)
        assert await why(made.consent, "ada", SALE, CA) == FREE
        assert await why(made.consent, "ada", ADS, CA) == REFUSED
        rebuilt = await rebuild(made.store)
        assert rebuilt.before == rebuilt.after
        assert await why(made.consent, "ada", ADS, CA) == REFUSED


async def test_an_older_grant_told_late_does_not_let_them_in(tmp_path: Path) -> None:
    async with running(tmp_path, f"sqlite:///{tmp_path}/store.db", Recipients()) as made:
        await withdraw(made.consent, "ada", SALE)
        await gone(made, "ada")
        row = cs.ImportRow(request_id=request_id(), subject=email("ada"), notice_version="marketing-2026-02-de")
        row.consent.purpose, row.consent.choice = SALE, ty.CHOICE_GRANT
        row.occurred_at.FromMicroseconds(clock() - 2 * 86_400_000_000)
        row.context.jurisdiction = CA
        imported = cs.ImportConsentsRequest(tenant=TENANT, rows=[row])
        answer = await made.consent.ImportConsents(iter([imported]), timeout=10)
        assert (answer.written, answer.rejected) == (1, 0)
        assert await why(made.consent, "ada", SALE, CA) == REFUSED


async def test_a_refused_request_of_who_comes_again_lets_them_in_neither(tmp_path: Path, store_url: str) -> None:
    async with running(tmp_path, store_url, Recipients()) as made:
        await withdraw(made.consent, "ada", SALE)
        await gone(made, "ada")
        with pytest.raises(LedgerError) as caught:
            await grant(made.consent, "ada", ADS, place=CA)  # under a notice that says nothing of it
        assert caught.value.reason is Reason.INVALID_FIELD
        [known] = await made.service.eraser._directory.find(TENANT, [("email", "ada@example.org")])
        assert known is not None, "this is about somebody in the key store without events"
        assert await why(made.consent, "ada", SALE, CA) == REFUSED
        assert await batch(made, "ada") == ["NOT_ALLOWED"]
        await grant(made.consent, "ada", EMAIL)
        assert await why(made.consent, "ada", SALE, CA) == REFUSED


async def test_a_withdrawal_of_everything_and_a_universal_signal_are_kept_for_everybody_linked(
    tmp_path: Path, store_url: str
) -> None:
    async with running(tmp_path, store_url, Recipients()) as made:
        await withdraw(made.consent, "all")
        signal = cs.RecordSignalRequest(
            request_id=request_id(), tenant=TENANT, subject=email("gpc"), kind=ty.SIGNAL_KIND_GPC, sec_gpc=["1"]
        )
        await call(made.consent.RecordSignal, signal, 10)
        await grant(made.consent, "friend")
        await link(made.consent, "gpc", "friend")
        await gone(made, "all")
        await gone(made, "gpc")
        assert await why(made.consent, "all", SALE, CA) == REFUSED
        assert await why(made.consent, "gpc", SALE, CA) == "NOT_ALLOWED UNIVERSAL_SIGNAL"
        assert await why(made.consent, "friend", SALE, CA) == "NOT_ALLOWED UNIVERSAL_SIGNAL"
        await grant(made.consent, "friend", EMAIL)
        assert await why(made.consent, "friend", SALE, CA) == "NOT_ALLOWED UNIVERSAL_SIGNAL"


async def test_a_second_erasure_keeps_what_stands_then(tmp_path: Path, store_url: str) -> None:
    async with running(tmp_path, store_url, Recipients()) as made:
        await withdraw(made.consent, "ada", SALE, ADS)
        await gone(made, "ada")
        await grant(made.consent, "ada", SALE, place=CA)
        assert (await gone(made, "ada")).suppressed
        assert await why(made.consent, "ada", SALE, CA) == FREE
        assert await why(made.consent, "ada", ADS, CA) == REFUSED


async def test_nothing_is_kept_where_nothing_was_refused(tmp_path: Path) -> None:
    async with running(tmp_path, f"sqlite:///{tmp_path}/store.db", Recipients()) as made:
        await grant(made.consent, "ada")
        await withdraw(made.consent, "ben", "marketing.sms")  # needs consent under every law
        await withdraw(made.consent, "cem", SALE)
        for name, kept in (("ada", False), ("ben", False), ("cem", True)):
            assert (await gone(made, name)).suppressed is kept
        tables = sqlite_tables(tmp_path / "keys.db")
        [(tenant, blind, refusals)] = tables["suppression"]
        assert (tenant, len(blind)) == (TENANT, 32)
        assert json.loads(refusals)["purposes"] == [SALE]
        assert json.loads(refusals)["since_us"] % 86_400_000_000 == 0, "no finer time than a day"
        assert tables["identifier"] == [] and len(tables["destroyed"]) == 3


async def test_a_check_about_somebody_known_asks_nothing_more(tmp_path: Path) -> None:
    async with running(tmp_path, f"sqlite:///{tmp_path}/store.db", Recipients()) as made:
        await grant(made.consent, "ada")
        await withdraw(made.consent, "gone", SALE)
        await gone(made, "gone")
        asked: list[str] = []
        database = made.keystore._database
        read = database.read

        async def counted(sql: str, *args: object) -> object:
            asked.append("suppression" if "suppression" in sql else "identifier")
            return await read(sql, *args)

        database.read = counted  # type: ignore[method-assign,assignment]
        await why(made.consent, "ada")
        assert asked == []
        made.service.eraser._directory.forget(TENANT, [email("ada")])
        await why(made.consent, "ada")
        assert asked == ["identifier"]
        await why(made.consent, "gone", SALE, CA)
        assert asked == ["identifier", "identifier", "suppression"]
