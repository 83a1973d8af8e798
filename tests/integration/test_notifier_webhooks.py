"""Downstreams that are told by webhook: what arrives, what their answers come to, and where they may be."""

from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from standardwebhooks import Webhook

from consentledger.errors import LedgerError, Reason
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as ns
from consentledger.webhook.schedule import DELAYS_S
from tests.support.consent import request_id
from tests.support.nats import eventually
from tests.support.notifier import ADA, BEA, CALL
from tests.support.receivers import answer
from tests.support.webhooks import hooked

ENFORCED = answer(200, b'{"outcome":"enforced","method":"suppressed","records_affected":2}')
LATER = 1.21
"""Jitter makes a wait up to a fifth longer."""


async def test_an_obligation_arrives_signed_and_its_answer_is_recorded(tmp_path: Path, store_url: str) -> None:
    async with hooked(tmp_path, store_url) as h:
        hook = await h.hook("shop", lambda got: ENFORCED, purposes=["a", "b"], enforce_within_seconds=60)
        position = h.world.consent.withdraw(ADA, ["b", "c"])
        await h.world.standing(ENFORCED=1)
        [obligation], [got] = await h.world.obligations(), hook.got
        assert (obligation.evidence.method, obligation.evidence.records_affected) == ("suppressed", 2)
        assert got.headers["webhook-id"] == obligation.id
        assert h.believed(h.secrets["shop"], got) == (True, True)
        assert Webhook(h.secrets["shop"].secret).verify(got.body, dict(got.headers)) == {
            "type": "consent.withdrawn.v1",
            "timestamp": _instant(obligation.revoked_at),
            "data": {
                "obligation": obligation.id,
                "tenant": "acme",
                "downstream": "shop",
                "ledger_position": position,
                "purposes": ["b"],
                "namespace": "email",
                "ids": ["ada@example.org"],
                "catalogue": False,
                "event_type": "consent.withdrawn.v1",
                "revoked_at": _instant(obligation.revoked_at),
                "due_at": _instant(obligation.due_at),
            },
        }
        assert h.world.service.alarms() == {}


@pytest.mark.parametrize(
    ("answered", "state"),
    [
        (answer(200), "RECEIVED"),
        (answer(202, b"thank you"), "RECEIVED"),
        (answer(200, b'{"outcome":"received"}'), "RECEIVED"),
        (answer(200, b'{"outcome":"failed","failure_reason":"no-such-list"}'), "FAILED"),
        (answer(200, b'{"outcome":"enforced"}'), "RECEIVED"),  # without saying how
    ],
)
async def test_what_the_answer_says_is_where_the_obligation_stands(tmp_path: Path, answered: bytes, state: str) -> None:
    async with hooked(tmp_path) as h:
        hook = await h.hook("shop", lambda got: answered)
        h.world.consent.withdraw(ADA, ["a"])
        await h.world.standing(**{state: 1})
        assert len(hook.got) == 1


async def test_a_receiver_that_wants_no_more_is_disabled_with_an_alarm_until_it_is_resumed(
    tmp_path: Path, store_url: str
) -> None:
    async with hooked(tmp_path, store_url) as h:
        hook = await h.hook("shop", lambda got: answer(410))
        h.world.consent.withdraw(ADA, ["a"])
        await h.world.standing(DEAD=1)
        assert (await h.world.obligations())[0].evidence.failure_reason == "gone"
        await eventually(lambda: h.world.service.alarms() == {"webhooks": "disabled"})
        standing = await h.standing_as("shop")
        assert (standing.paused, standing.webhook.disabled, standing.version) == (True, True, 2)
        h.world.consent.withdraw(BEA, ["a"])
        await h.world.standing(DEAD=1, PENDING=1)
        h.clock.advance(10**6)
        await h.restart()
        await eventually(lambda: h.world.service.alarms() == {"webhooks": "disabled"})
        assert len(hook.got) == 1
        hook.answering = lambda got: ENFORCED
        resumed = await h.world.update(standing, paused=False, version=0)
        assert not resumed.webhook.disabled
        await h.world.standing(DEAD=1, ENFORCED=1)
        await eventually(lambda: h.world.service.alarms() == {})
        assert hook.got[-1].data["ids"] == ["bea@example.org"]
        assert len(hook.got) == 2


async def test_a_dead_obligation_can_still_be_acknowledged(tmp_path: Path) -> None:
    async with hooked(tmp_path) as h:
        await h.hook("shop", lambda got: answer(410))
        h.world.consent.withdraw(ADA, ["a"])
        await h.world.standing(DEAD=1)
        await h.acknowledge((await h.world.obligations())[0].id)
        await h.world.standing(ENFORCED=1)


async def test_a_downstream_can_change_from_nats_to_a_webhook_and_back(tmp_path: Path) -> None:
    async with hooked(tmp_path) as h:
        hook = await h.hook("other", lambda got: ENFORCED, purposes=["none"])
        mailer = await h.world.register("mailer", ["*"])
        h.world.consent.withdraw(ADA, ["a"])
        await h.world.standing(SENT=1)
        new = ev.Downstream()
        new.CopyFrom(mailer)
        new.webhook.url = hook.url
        request = ns.UpdateDownstreamRequest(request_id=request_id(), tenant="acme", downstream=new)
        made = await h.world.rpc.UpdateDownstream(request, CALL)
        await h.world.standing(ENFORCED=1)
        assert h.believed(made.webhook_secret, hook.got[0]) == (True, True)
        back = await h.world.update(mailer, version=0)
        assert not back.HasField("webhook")
        h.world.consent.withdraw(ADA, ["b"])
        await h.world.standing(ENFORCED=1, SENT=1)
        await h.world.listen("mailer")
        await h.world.standing(ENFORCED=2)
        again = await h.world.rpc.UpdateDownstream(_with(request, request_id(), version=0), CALL)
        assert again.webhook_secret.secret not in ("", made.webhook_secret.secret)


async def test_a_url_that_leads_inside_gets_nothing_and_raises_an_alarm(tmp_path: Path) -> None:
    async with hooked(tmp_path, networks=()) as h:
        hook = await h.hook("shop")
        h.world.consent.withdraw(ADA, ["a"])
        await h.waiting(1)
        await eventually(lambda: h.world.service.alarms() == {"webhooks": "refused"})
        assert hook.connections == 0


async def test_no_identifier_url_or_answer_is_in_any_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    answers = [
        answer(500, b"canary"),
        answer(302, Location="https://canary.example/"),
        answer(503, Retry_After="canary"),
    ]
    async with hooked(tmp_path) as h:
        hook = await h.hook("shop", lambda got: answers[len(hook.got) - 1] if len(hook.got) <= 3 else answer(410))
        h.world.consent.withdraw(ADA, ["a"])
        for attempt, delay in enumerate(DELAYS_S[1:4], 1):
            await h.waiting(attempt)
            h.clock.advance(delay * LATER)
        await h.world.standing(DEAD=1)
        await eventually(lambda: h.world.service.alarms() == {"webhooks": "disabled"})
    written = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert written.count("notifier.webhook_failed") == 4
    assert "notifier.obligation_dead" in written
    for value in ("ada@example.org", "canary", "hooks.example.org", h.secrets["shop"].secret):
        assert value not in written


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",
        "https://user:secret@hooks.example.org/",
        "https://hooks.example.org/?token=secret",
        "https://0x7f000001/",
        "ftp://hooks.example.org/",
        "",
    ],
)
async def test_a_url_that_may_not_be_is_refused_when_it_is_registered(tmp_path: Path, url: str) -> None:
    async with hooked(tmp_path) as h:
        downstream = ev.Downstream(id="shop", kind=1, purposes=["*"], identifier_namespace="email")
        downstream.webhook.url = url
        request = ns.RegisterDownstreamRequest(request_id=request_id(), tenant="acme", downstream=downstream)
        with pytest.raises(LedgerError) as refusal:
            await h.world.rpc.RegisterDownstream(request, CALL)
        assert refusal.value.reason is Reason.INVALID_FIELD
        assert refusal.value.metadata["field"] == "downstream.webhook.url"
        assert "secret" not in str(refusal.value.metadata)


def _instant(at: Timestamp) -> str:
    return f"{at.ToDatetime():%Y-%m-%dT%H:%M:%S.%f}Z"


def _with(request: ns.UpdateDownstreamRequest, new_id: str, **fields: int) -> ns.UpdateDownstreamRequest:
    again = ns.UpdateDownstreamRequest()
    again.CopyFrom(request)
    again.request_id = new_id
    for name, value in fields.items():
        setattr(again.downstream, name, value)
    return again
