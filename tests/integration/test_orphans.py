"""A person who never got an event does not stay; one whose first event is under way does."""

from pathlib import Path

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.channel import call
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty
from services.consent.orphans import Orphans
from tests.support.consent import NOTICE, TENANT, Ledger, clock, email, ledger, request_id

UNREACHABLE = "nats://127.0.0.1:1"
HOUR_US = 3_600_000_000


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.ahead_us = 0

    def __call__(self) -> int:
        return clock() + self.ahead_us


def record(name: str, notice: str = NOTICE) -> cs.RecordConsentRequest:
    choice = cs.ConsentChoice(purpose="marketing.email", choice=ty.CHOICE_GRANT)
    return cs.RecordConsentRequest(
        request_id=request_id(),
        tenant=TENANT,
        subject=email(name),
        choices=[choice],
        notice_version=notice,
        context=ty.Context(jurisdiction="DE"),
    )


async def refused(running: Ledger, name: str) -> None:
    with pytest.raises(LedgerError) as caught:
        await call(running.consent.RecordConsent, record(name, "never-published"), 10)
    assert caught.value.reason is Reason.NOTICE_UNKNOWN


async def known(running: Ledger) -> int:
    return len(await running.keystore.orphans(1 << 62, 1000))


async def test_a_person_without_events_is_removed_after_an_hour(tmp_path: Path, store_url: str) -> None:
    now = Hand()
    async with ledger(tmp_path, store_url, UNREACHABLE, now=now) as running:
        await refused(running, "refused")
        await call(running.consent.RecordConsent, record("recorded"), 10)
        sweep = Orphans(running.store, running.keystore, now)
        assert (await sweep.sweep(), await known(running)) == (0, 2)
        now.ahead_us = HOUR_US + 1_000_000
        assert (await sweep.sweep(), await known(running)) == (1, 1)
        await call(running.consent.RecordConsent, record("refused"), 10)
        assert await known(running) == 2


async def test_a_person_about_to_get_the_first_event_is_not_removed(tmp_path: Path, store_url: str) -> None:
    now = Hand()
    async with ledger(tmp_path, store_url, UNREACHABLE, now=now) as running:
        await refused(running, "late")
        now.ahead_us = HOUR_US - 1_000_000
        subject = email("late")
        await running.service.catalogue_application.application.directory.ensure(TENANT, [subject])
        now.ahead_us = HOUR_US + 1_000_000
        assert await Orphans(running.store, running.keystore, now).sweep() == 0


async def test_a_person_removed_meanwhile_is_made_anew_and_found_by_checks(tmp_path: Path, store_url: str) -> None:
    now = Hand()
    async with ledger(tmp_path, store_url, UNREACHABLE, now=now) as running:
        await refused(running, "again")
        now.ahead_us = HOUR_US + 1_000_000
        assert await Orphans(running.store, running.keystore, now).sweep() == 1
        withdraw = cs.WithdrawConsentRequest(request_id=request_id(), tenant=TENANT, subject=email("again"))
        await call(running.consent.WithdrawConsent, withdraw, 10)
        question = cs.CheckConsentRequest(
            tenant=TENANT, subject=email("again"), purpose="marketing.email", jurisdiction="DE"
        )
        answer = await call(running.consent.CheckConsent, question, 10)
        assert answer.reason == ty.DECISION_REASON_WITHDRAWN
