"""NotifierService over real gRPC: what is accepted, what is refused with which reason, and what a repeat answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from consentledger.errors import LedgerError, Reason
from consentledger.rpc.channel import call, connect
from consentledger.rpc.guard import Guard
from consentledger.rpc.server import Server
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as ns
from consentledger.v1 import notifier_service_pb2_grpc
from services.notifier import checks
from tests.support.notifier import ADA, World, world

MAILER = ev.Downstream(id="mailer", kind=1, purposes=["marketing.email"], identifier_namespace="email")


@asynccontextmanager
async def served(tmp_path: Path, **config: Any) -> AsyncIterator[tuple[World, Any]]:
    """A notifier and a stub of it."""
    async with world(tmp_path, **config) as w:
        server = Server(Guard())
        for descriptor, servicer in w.service.servicers:
            server.add(descriptor, servicer)
        port = server.bind("127.0.0.1:0")
        await server.start()
        channel = connect(f"127.0.0.1:{port}")
        try:
            yield w, notifier_service_pb2_grpc.NotifierServiceStub(channel)
        finally:
            await channel.close()
            await server.drain(0.1)


def _register(downstream: ev.Downstream = MAILER, **fields: Any) -> ns.RegisterDownstreamRequest:
    return ns.RegisterDownstreamRequest(
        **{"request_id": str(uuid4()), "tenant": "acme", "downstream": downstream, **fields}
    )


def _changed(**fields: Any) -> ev.Downstream:
    new = ev.Downstream()
    new.CopyFrom(MAILER)
    for name, value in fields.items():
        if name == "purposes":
            del new.purposes[:]
            new.purposes.extend(value)
        else:
            setattr(new, name, value)
    return new


async def _refusal(rpc: Any, request: Any) -> tuple[Reason, str]:
    with pytest.raises(LedgerError) as refused:
        await call(rpc, request, 5.0)
    return refused.value.reason, refused.value.metadata.get("field", "")


async def test_registering_twice_with_one_request_id_returns_the_first_answer_and_writes_nothing(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as (w, stub):
        request = _register()
        first = await call(stub.RegisterDownstream, request, 5.0)
        head = (await w.store.head()).position
        assert await call(stub.RegisterDownstream, request, 5.0) == first
        assert (await w.store.head()).position == head == 1
        assert first.downstream == _changed(version=1)
        other = _register(_changed(id="lake"), request_id=request.request_id)
        assert await _refusal(stub.RegisterDownstream, other) == (Reason.REQUEST_ID_REUSED, "")
        assert await _refusal(stub.RegisterDownstream, _register()) == (Reason.DOWNSTREAM_EXISTS, "")
        assert await _refusal(stub.RegisterDownstream, _register(tenant="nobody")) == (Reason.TENANT_UNKNOWN, "")
        assert (await w.store.head()).position == head


async def test_an_update_replaces_the_downstream_that_stands(tmp_path: Path) -> None:
    async with served(tmp_path) as (w, stub):

        def update(downstream: ev.Downstream, **fields: Any) -> ns.UpdateDownstreamRequest:
            all_fields = {"request_id": str(uuid4()), "tenant": "acme", "downstream": downstream, **fields}
            return ns.UpdateDownstreamRequest(**all_fields)

        assert await _refusal(stub.UpdateDownstream, update(MAILER)) == (Reason.DOWNSTREAM_UNKNOWN, "")
        await call(stub.RegisterDownstream, _register(), 5.0)
        new = _changed(paused=True, purposes=["*"], version=1)
        answer = await call(stub.UpdateDownstream, update(new), 5.0)
        assert answer.downstream == _changed(paused=True, purposes=["*"], version=2)
        get = ns.GetDownstreamRequest(tenant="acme", downstream="mailer")
        assert (await call(stub.GetDownstream, get, 5.0)).downstream == answer.downstream
        assert await _refusal(stub.UpdateDownstream, update(new)) == (Reason.CATALOGUE_CONFLICT, "")
        head = (await w.store.head()).position
        assert (await call(stub.UpdateDownstream, update(_changed(paused=True, purposes=["*"])), 5.0)) is not None
        assert (await w.store.head()).position == head
        elsewhere = ns.GetDownstreamRequest(tenant="other", downstream="mailer")
        assert await _refusal(stub.GetDownstream, elsewhere) == (Reason.DOWNSTREAM_UNKNOWN, "")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"id": ""}, "downstream.id"),
        ({"id": "Mailer"}, "downstream.id"),
        ({"id": "a.b"}, "downstream.id"),
        ({"id": "a>"}, "downstream.id"),
        ({"id": "a" * 64}, "downstream.id"),
        ({"id": "mailer\n"}, "downstream.id"),
        ({"display_name": "x" * 201}, "downstream.display_name"),
        ({"kind": 0}, "downstream.kind"),
        ({"kind": 9}, "downstream.kind"),
        ({"purposes": []}, "downstream.purposes"),
        ({"purposes": ["a", "a"]}, "downstream.purposes"),
        ({"purposes": ["*", "a"]}, "downstream.purposes"),
        ({"purposes": ["a\nb"]}, "downstream.purposes"),
        ({"purposes": [f"p{n}" for n in range(201)]}, "downstream.purposes"),
        ({"identifier_namespace": ""}, "downstream.identifier_namespace"),
        ({"identifier_namespace": "E-Mail"}, "downstream.identifier_namespace"),
        ({"enforce_within_seconds": (1 << 32) - 1}, "downstream.enforce_within_seconds"),
        ({"version": (1 << 64) - 1}, "downstream.version"),
    ],
)
def test_a_malformed_downstream_is_refused_by_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(LedgerError) as refused:
        checks.downstream(_changed(**fields))
    assert (refused.value.reason, refused.value.metadata["field"]) == (Reason.INVALID_FIELD, field)


async def test_malformed_requests_are_refused_by_field(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, stub):
        invalid = Reason.INVALID_FIELD
        for rpc, request, field in (
            (stub.RegisterDownstream, _register(request_id="1"), "request_id"),
            (stub.RegisterDownstream, _register(tenant="A"), "tenant"),
            (stub.GetDownstream, ns.GetDownstreamRequest(tenant="acme", downstream="*"), "downstream"),
            (stub.ListDownstreams, ns.ListDownstreamsRequest(tenant=""), "tenant"),
            (stub.ListObligations, ns.ListObligationsRequest(tenant="acme", downstream="."), "downstream"),
            (stub.ListObligations, ns.ListObligationsRequest(tenant="acme", state=77), "state"),
            (
                stub.ListObligations,
                ns.ListObligationsRequest(tenant="acme", ledger_position=1 << 63),
                "ledger_position",
            ),
            (stub.AcknowledgeObligation, _told(obligation="x"), "obligation"),
            (stub.AcknowledgeObligation, _told(outcome=ev.OBLIGATION_STATE_PENDING), "outcome"),
            (stub.AcknowledgeObligation, _told(evidence=ev.Evidence()), "evidence.method"),
            (stub.AcknowledgeObligation, _told(evidence=ev.Evidence(method="Ada Lovelace")), "evidence.method"),
            (
                stub.AcknowledgeObligation,
                _told(outcome=ev.OBLIGATION_STATE_FAILED, evidence=ev.Evidence()),
                "evidence.failure_reason",
            ),
            (
                stub.AcknowledgeObligation,
                _told(evidence=ev.Evidence(method="x", records_affected=1 << 63)),
                "evidence.records_affected",
            ),
            (
                stub.AcknowledgeObligation,
                _told(evidence=ev.Evidence(method="x", enforced_at={"seconds": -1})),
                "evidence.enforced_at",
            ),
        ):
            assert await _refusal(rpc, request) == (invalid, field)


def _told(**fields: Any) -> ns.AcknowledgeObligationRequest:
    return ns.AcknowledgeObligationRequest(
        **{
            "request_id": str(uuid4()),
            "tenant": "acme",
            "obligation": str(uuid4()),
            "outcome": ev.OBLIGATION_STATE_ENFORCED,
            "evidence": ev.Evidence(method="suppressed"),
            **fields,
        }
    )


async def test_acknowledging_by_rpc_is_the_same_as_by_message(tmp_path: Path) -> None:
    async with served(tmp_path) as (w, stub):
        await call(stub.RegisterDownstream, _register(), 5.0)
        w.consent.withdraw(ADA, ["marketing.email"])
        await w.standing(SENT=1)
        [obligation] = await w.obligations()
        evidence = ev.Evidence(method="suppressed", records_affected=3, enforced_at={"seconds": 1_700_000_000})
        request = _told(obligation=obligation.id, evidence=evidence)
        first = await call(stub.AcknowledgeObligation, request, 5.0)
        assert first.obligation.state == ev.OBLIGATION_STATE_ENFORCED
        assert first.obligation.evidence.records_affected == 3
        assert await call(stub.AcknowledgeObligation, request, 5.0) == first
        assert [first.obligation] == await w.obligations()
        failed = _told(
            obligation=obligation.id,
            outcome=ev.OBLIGATION_STATE_FAILED,
            evidence=ev.Evidence(failure_reason="no"),
        )
        assert await _refusal(stub.AcknowledgeObligation, failed) == (Reason.OBLIGATION_CLOSED, "")
        assert await _refusal(stub.AcknowledgeObligation, _told()) == (Reason.OBLIGATION_UNKNOWN, "")
        foreign = _told(obligation=obligation.id, tenant="other")
        assert await _refusal(stub.AcknowledgeObligation, foreign) == (Reason.OBLIGATION_UNKNOWN, "")


async def test_lists_are_read_page_by_page_and_narrowed(tmp_path: Path) -> None:
    async with served(tmp_path) as (w, stub):
        for name in ("c", "a", "b"):
            await w.register(name, ["*"])
        positions = [w.consent.withdraw(ADA, [f"p{n}"]) for n in range(4)]
        await w.standing(SENT=12)
        request = ns.ListDownstreamsRequest(tenant="acme", page_size=2)
        page = await call(stub.ListDownstreams, request, 5.0)
        rest = await call(
            stub.ListDownstreams, ns.ListDownstreamsRequest(tenant="acme", page_token=page.next_page_token), 5.0
        )
        assert [d.id for d in page.downstreams] == ["a", "b"]
        assert ([d.id for d in rest.downstreams], rest.next_page_token) == (["c"], "")

        found: list[Any] = []
        token = ""
        while True:
            listing = ns.ListObligationsRequest(tenant="acme", page_size=3, page_token=token, downstream="b")
            obligations = await call(stub.ListObligations, listing, 5.0)
            found += obligations.obligations
            token = obligations.next_page_token
            if not token:
                break
            assert len(obligations.obligations) == 3
        assert [o.ledger_position for o in found] == positions
        assert len(await w.obligations(ledger_position=positions[1])) == 3
        assert await w.obligations(state=ev.OBLIGATION_STATE_FAILED) == []
        assert len(await w.obligations(state=ev.OBLIGATION_STATE_SENT, downstream="a")) == 4
        everything = ns.ListObligationsRequest(tenant="acme", page_size=5)
        token = (await call(stub.ListObligations, everything, 5.0)).next_page_token
        assert token
        for wrong in (token[:-2], "x", "ä", page.next_page_token):
            narrowed = ns.ListObligationsRequest(tenant="acme", page_size=5, page_token=wrong)
            assert await _refusal(stub.ListObligations, narrowed) == (Reason.PAGE_TOKEN_INVALID, "")
        other = ns.ListObligationsRequest(tenant="acme", downstream="b", page_size=5, page_token=token)
        assert await _refusal(stub.ListObligations, other) == (Reason.PAGE_TOKEN_INVALID, "")
