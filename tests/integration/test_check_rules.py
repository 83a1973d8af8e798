"""The rules of a decision end to end: places and regimes, the end of a grant, signals, restriction, the catalogue."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from consentledger.errors import LedgerError
from consentledger.rpc import channel
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import purpose_service_pb2 as ps
from consentledger.v1 import tenant_service_pb2 as ts
from consentledger.v1 import types_pb2 as ty
from services.consent.service import ConsentConfig
from tests.integration.test_checks import refused
from tests.support.asking import MAIL, SECOND, Clock, act, check, define, grant, instant, newest, states, why, withdraw
from tests.support.consent import NOTICE, TENANT, Ledger, email, ledger, request_id
from tests.support.nats import eventually, nats_server
from tests.support.places import messages


async def live_in(running: Ledger, default: str) -> None:
    """Give the tenant a default place."""
    request = ts.UpdateTenantRequest(request_id=request_id())
    request.tenant.id, request.tenant.default_jurisdiction = TENANT, default
    await channel.call(running.tenants.UpdateTenant, request, 10)


async def test_where_a_person_is_decides_which_law_applies(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        assert await why(running, "ada", MAIL, "DE") == "NOT_ALLOWED NO_RECORD"
        assert await why(running, "ada", MAIL, "US-CA") == "ALLOWED NOT_OPTED_OUT"
        assert await refused(check(running, "ada", MAIL, "ZZ")) == "INVALID_FIELD"
        assert await refused(check(running, "ada", MAIL, "US-NY")) == "JURISDICTION_REQUIRED"  # known, without a regime
        assert await refused(check(running, "ada", MAIL, "")) == "JURISDICTION_REQUIRED"
        assert await why(running, "ada", "treatment.reminders", "") == "ALLOWED CONSENT_NOT_NEEDED"  # by its sector
        await live_in(running, "DE")
        assert await why(running, "ada", MAIL, "") == "NOT_ALLOWED NO_RECORD"
        assert await why(running, "ada", MAIL, "US-NY") == "NOT_ALLOWED NO_RECORD"
        assert await why(running, "ada", MAIL, "US-CA") == "ALLOWED NOT_OPTED_OUT"  # the default steps back
        answer = await check(running, "ada", MAIL, "US-CA")
        assert (answer.regime, ty.LegalBasis.Name(answer.legal_basis)) == ("ccpa", "LEGAL_BASIS_OPT_OUT")


async def test_places_recorded_count_as_well_and_the_most_protective_wins(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada", "data.sale", deny=True, context=ty.Context(jurisdiction="DE"))
        assert await why(running, "ada", MAIL, "US-CA") == "NOT_ALLOWED NO_RECORD"
        assert (await check(running, "ada", MAIL, "US-CA")).regime == "gdpr"
        assert await why(running, "ada", MAIL, "") == "NOT_ALLOWED NO_RECORD"


async def test_a_place_that_does_not_exist_never_gets_stuck_to_a_person(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        for place in ("ZZ", "US-ZZ"):
            context = ty.Context(jurisdiction=place)
            assert await refused(withdraw(running, "ada", context=context)) == "INVALID_FIELD"
            assert await refused(grant(running, "ada", deny=True, context=context)) == "INVALID_FIELD"
        await grant(running, "ada")
        assert await why(running, "ada") == "ALLOWED GRANTED"


async def test_a_grant_ends_at_once_and_its_end_is_told_like_a_withdrawal(tmp_path: Path, store_url: str) -> None:
    clock, config = Clock(), ConsentConfig(rebuild_stream=True, first_tenant=TENANT, expiry_seconds=0.05)
    async with nats_server() as nats:
        bus = await nats.bus()
        async with ledger(tmp_path, store_url, nats.url, bus=bus, now=clock, config=config) as running:
            end = clock.now + 60 * SECOND
            await grant(running, "ada", expires_at=instant(end))
            answer = await check(running, "ada")
            assert answer.decision == ty.DECISION_ALLOWED and answer.valid_until == instant(end)
            position = (await running.store.head()).position
            clock.now = end - 1
            assert await why(running, "ada") == "ALLOWED GRANTED"
            clock.now = end
            assert await why(running, "ada") == "NOT_ALLOWED EXPIRED"
            assert await states(running, "ada") == {MAIL: "EXPIRED"}

            async def recorded() -> bool:
                return (await running.store.head()).position > position

            await eventually(recorded)
            expired = await newest(running, "consent.expired.v1")
            assert list(expired.act.revoked_purposes) == [MAIL] and expired.purpose == MAIL
            await eventually(lambda: running.service.carrier.published == position + 1)
            [(_, last)] = (await messages(bus, "LEDGER"))[-1:]
            assert b"ledger.consent.default.consent.expired.v1" in last
            assert await running.service.expiry.sweep() == 0  # once
            assert await why(running, "ada") == "NOT_ALLOWED EXPIRED"
            await grant(running, "ada")
            assert await why(running, "ada") == "ALLOWED GRANTED"


async def test_an_imported_grant_that_ended_long_ago_allows_nothing(tmp_path: Path, store_url: str) -> None:
    config = ConsentConfig(rebuild_stream=True, first_tenant=TENANT, expiry_seconds=3600)
    ends = {"p0": -1, "p1": 0, "p2": 1, "p3": -(10**15)}
    async with (
        nats_server() as nats,
        ledger(tmp_path, store_url, nats.url, bus=await nats.bus(), config=config) as running,
    ):
        request = cs.ImportConsentsRequest(tenant=TENANT)
        for name, end_us in ends.items():
            row = request.rows.add(request_id=request_id(), subject=email(name), notice_version=NOTICE)
            row.consent.purpose, row.consent.choice = MAIL, ty.CHOICE_GRANT
            row.consent.expires_at.CopyFrom(instant(end_us))
            row.occurred_at.seconds = 1_700_000_000

        async def rows() -> Any:
            yield request

        answer = await running.consent.ImportConsents(rows(), timeout=10)
        assert (answer.written, answer.rejected) == (4, 0)
        for name in ends:
            assert await why(running, name) == "NOT_ALLOWED EXPIRED", name
            assert await states(running, name) == {MAIL: "EXPIRED"}, name


async def test_a_gpc_signal_opts_out_until_it_is_ended(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        sale = ("ada", "data.sale", "US-CA")
        await grant(running, "ada", "marketing.sms")
        assert await why(running, *sale) == "ALLOWED NOT_OPTED_OUT"
        for absent in ([], ["0"], ["true"], ["11"]):
            position = (await running.store.head()).position
            answer = await act(running, "RecordSignal", subject=email("ada"), kind=1, sec_gpc=absent)
            assert not answer.signal_on and (await running.store.head()).position == position
        assert (await act(running, "RecordSignal", subject=email("ada"), kind=1, sec_gpc=["0", "1"])).signal_on
        revoked = (await newest(running, "signal.recorded.v1")).act.revoked_purposes
        assert {"data.sale", "ads.targeted"} <= set(revoked) and "marketing.sms" not in revoked
        assert await why(running, *sale) == "NOT_ALLOWED UNIVERSAL_SIGNAL"
        assert await why(running, "ada", "marketing.sms", "US-CA") == "ALLOWED GRANTED"
        assert (await act(running, "RecordSignal", subject=email("ada"), kind=1)).signal_on  # absence ends nothing
        assert await why(running, *sale) == "NOT_ALLOWED UNIVERSAL_SIGNAL"
        assert not (await act(running, "RecordSignal", subject=email("ada"), kind=1, ended=True)).signal_on
        assert await why(running, *sale) == "ALLOWED NOT_OPTED_OUT"


async def test_a_restriction_stops_everything_but_what_the_law_keeps(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        purposes = (MAIL, "order.fulfilment", "fraud.prevention")
        before = [await why(running, "ada", p) for p in purposes]
        assert all(answer.startswith("ALLOWED") for answer in before)
        await act(running, "SetRestriction", subject=email("ada"), reason="accuracy is contested")
        assert [await why(running, "ada", p) for p in purposes] == ["NOT_ALLOWED RESTRICTED"] * 3
        assert await why(running, "ada", "invoicing.retention") == "ALLOWED CONSENT_NOT_NEEDED"
        assert set(purposes) <= set((await newest(running, "restriction.changed.v1")).act.revoked_purposes)
        await act(running, "LiftRestriction", subject=email("ada"))
        assert [await why(running, "ada", p) for p in purposes] == before


async def test_withdrawing_everything_succeeds_however_many_purposes_there_are(tmp_path: Path, store_url: str) -> None:
    names = [f"p{number}.{'x' * 120}" for number in range(150)]
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:

        async def create(name: str) -> None:
            request = ps.CreatePurposeRequest(request_id=request_id(), tenant=TENANT)
            request.purpose.id = name
            request.purpose.bases.add(regime="gdpr", basis=ty.LEGAL_BASIS_OPT_OUT)
            await channel.call(running.purposes.CreatePurpose, request, 20)

        await asyncio.gather(*map(create, names))
        assert await why(running, "ada", names[0]) == "ALLOWED NOT_OPTED_OUT"
        answer = await withdraw(running, "ada")
        assert set(names) < {s.purpose for s in answer.states}
        revoked = (await newest(running, "consent.withdrawn.v1")).act.revoked_purposes
        assert list(revoked) == ["*"]  # the list of them all would grow with the catalogue; a leaf cannot
        assert await why(running, "ada", names[-1]) == "NOT_ALLOWED WITHDRAWN"


async def test_a_retired_purpose_allows_nothing_takes_no_grant_and_still_takes_refusals(
    tmp_path: Path, store_url: str
) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada")
        request = ps.RetirePurposeRequest(request_id=request_id(), tenant=TENANT, purpose=MAIL)
        await channel.call(running.purposes.RetirePurpose, request, 10)
        assert (await newest(running, "purpose.changed.v1")).revokes
        assert await why(running, "ada") == "NOT_ALLOWED PURPOSE_RETIRED"
        assert await why(running, "ben", MAIL, "US-CA") == "NOT_ALLOWED PURPOSE_RETIRED"
        assert await refused(grant(running, "ada")) == "PURPOSE_RETIRED"
        assert (await withdraw(running, "ada", MAIL)).states[0].state == ty.CONSENT_STATE_WITHDRAWN
        position = (await running.store.head()).position
        request.request_id = request_id()
        assert (await channel.call(running.purposes.RetirePurpose, request, 10)).purpose.retired
        assert (await running.store.head()).position == position


async def test_a_material_notice_makes_older_grants_stale(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await grant(running, "ada", MAIL)
        await grant(running, "ada", "analytics.web")
        for version, material in (("m-1", False), ("m-2", True)):
            request = ps.PublishNoticeRequest(request_id=request_id(), tenant=TENANT)
            request.notice.id, request.notice.version, request.notice.text = "marketing", version, version
            request.notice.material, request.notice.purposes[:] = material, [MAIL]
            await channel.call(running.purposes.PublishNotice, request, 10)
            expected = "NOT_ALLOWED NOTICE_STALE" if material else "ALLOWED GRANTED"
            assert await why(running, "ada") == expected
        assert await states(running, "ada") == {MAIL: "STALE", "analytics.web": "GRANTED"}
        assert await why(running, "ada", "analytics.web") == "ALLOWED GRANTED"
        assert await refused(grant(running, "ada", notice_version="m-3")) == "NOTICE_UNKNOWN"
        await grant(running, "ada", notice_version="m-2")
        assert await why(running, "ada") == "ALLOWED GRANTED"


async def test_a_change_of_basis_never_lifts_a_standing_refusal(tmp_path: Path, store_url: str) -> None:
    use = "new.purpose"
    refusals = {"withdrew": "WITHDRAWN", "denied": "DENIED", "objected": "OBJECTED"}
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        await define(running, use, gdpr="CONSENT")
        for name in refusals:
            await grant(running, name, use)
        await withdraw(running, "withdrew", use)
        await grant(running, "denied", use, deny=True)
        await act(running, "RecordObjection", subject=email("objected"), purposes=[use])
        for basis in ("OPT_OUT", "LEGITIMATE_INTEREST", "EXPLICIT_CONSENT", "OPT_OUT", "CONSENT"):
            await define(running, use, gdpr=basis)
            for name, reason in refusals.items():
                assert await why(running, name, use) == f"NOT_ALLOWED {reason}", basis
        await define(running, use, gdpr="OPT_OUT")
        assert await why(running, "ben", use) == "ALLOWED NOT_OPTED_OUT"
        await define(running, use, ccpa="CONSENT")  # no basis is left where they are
        assert (await newest(running, "purpose.changed.v1")).revokes
        assert await why(running, "ben", use) == "NOT_ALLOWED NO_LEGAL_BASIS"
        await grant(running, "denied", use)
        await define(running, use, gdpr="CONSENT")
        assert await why(running, "denied", use) == "ALLOWED GRANTED"


async def test_an_explicit_act_and_a_guardian_are_asked_for_where_they_must(tmp_path: Path, store_url: str) -> None:
    async with nats_server() as nats, ledger(tmp_path, store_url, nats.url, bus=await nats.bus()) as running:
        assert await refused(grant(running, "ada", "research.study")) == "EXPLICIT_REQUIRED"
        await grant(running, "ada", "research.study", explicit=True, notice_version="clinic-research-2025-04")
        assert await why(running, "ada", "research.study") == "ALLOWED GRANTED"
        assert await refused(grant(running, "kid", "newsletter.children")) == "GUARDIAN_REQUIRED"
        minor = ty.Context(age_band=ty.AGE_BAND_MINOR, jurisdiction="DE")
        with pytest.raises(LedgerError) as caught:
            await grant(running, "kid", context=minor)
        assert (caught.value.reason, caught.value.metadata) == ("GUARDIAN_REQUIRED", {"purpose": MAIL})
        minor.guardian.subject.CopyFrom(email("parent"))
        minor.guardian.verification_method, minor.guardian.child_birth_date = "card", "2020-05-17"
        await grant(running, "kid", context=minor)
        answer = await check(running, "kid")
        assert answer.decision == ty.DECISION_ALLOWED
        assert answer.valid_until.ToJsonString() == "2036-05-01T00:00:00Z"  # 16, where nothing lower is set
        assert await refused(grant(running, "kid2", MAIL, "no.such")) == "PURPOSE_UNKNOWN"
        assert await states(running, "kid2") == {}  # all or none
