"""P3 by webhook through `kill -9` of the whole process: every revocation arrives, and each person's in order."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from consentledger.rpc.channel import call, connect
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as ns
from consentledger.v1.notifier_service_pb2_grpc import NotifierServiceStub
from consentledger.webhook import signing
from consentledger.webhook.signing import PublicKey
from tests.support.cluster import Service, prepare
from tests.support.consent import TENANT, request_id
from tests.support.erasing import grant, withdraw
from tests.support.nats import eventually
from tests.support.receivers import Authority, Received, answer, receiver

pytestmark = pytest.mark.fault
ENFORCED = answer(200, b'{"outcome":"enforced","method":"suppressed"}')
NAMES = [f"person-{n}" for n in range(6)]


async def test_through_killed_notifiers_every_revocation_arrives_signed_and_in_order(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    environment = {
        "CONSENTLEDGER_WEBHOOK_NETWORKS": "127.0.0.0/8",
        "CONSENTLEDGER_WEBHOOK_CA_FILE": str(authority.ca_file),
    }
    refused: set[str] = set()

    def answering(got: Received) -> bytes:
        # The first obligation of each second person is refused once, so that some wait when we are killed.
        id = got.headers["webhook-id"]
        if got.data["ids"][0][7] in "135" and got.data["ledger_position"] < 40 and id not in refused:
            refused.add(id)
            return answer(503, Retry_After="1")
        return ENFORCED

    process = Service("services", ["--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"], environment)
    async with receiver(authority.server(["127.0.0.1"]), answering) as hook:
        try:
            await process.start()
            await prepare(process.address)
            public = await _register(process.address, hook.url.replace("hooks.example.org", "127.0.0.1"))
            for number in range(3):
                for name in NAMES:
                    await grant(process.stub, name)
                    await withdraw(process.stub, name, "marketing.email")
                await eventually(lambda n=number: len(hook.got) > 4 * n, 30)  # type: ignore[misc]
                await process.kill()
                await process.start(tries=5)
            obligations = await _enforced(process.address, 3 * len(NAMES))
            assert [d for d in process.defects if "webhook" in d["event"] or "dead" in d["event"]] == []
        finally:
            await process.end()
    assert {got.headers["webhook-id"] for got in hook.got} == {obligation.id for obligation in obligations}
    persons: dict[str, list[int]] = defaultdict(list)
    for got in hook.got:
        signing.verify([public], got.headers, got.body, int(got.headers["webhook-timestamp"]))
        if got.data["ledger_position"] not in persons[got.data["ids"][0]]:
            persons[got.data["ids"][0]].append(got.data["ledger_position"])
    assert all(positions == sorted(positions) for positions in persons.values())
    assert Counter(map(len, persons.values())) == {3: len(NAMES)}
    assert refused, "nothing was ever refused: the test proves less than it says"


async def _register(address: str, url: str) -> PublicKey:
    downstream = ev.Downstream(id="shop", kind=2, purposes=["*"], identifier_namespace="email")
    downstream.webhook.url = url
    request = ns.RegisterDownstreamRequest(request_id=request_id(), tenant=TENANT, downstream=downstream)
    async with connect(address) as channel:
        made = await call(NotifierServiceStub(channel).RegisterDownstream, request, 10)
    return PublicKey.read(made.webhook_secret.public_key)


async def _enforced(address: str, count: int) -> list[ns.Obligation]:
    async with connect(address) as channel:
        stub = NotifierServiceStub(channel)
        found: list[ns.Obligation] = []

        async def all_of_them() -> bool:
            request = ns.ListObligationsRequest(tenant=TENANT, page_size=1000)
            found[:] = (await call(stub.ListObligations, request, 10)).obligations
            return [o.state for o in found] == [ev.OBLIGATION_STATE_ENFORCED] * count

        try:
            await eventually(all_of_them, 150)
        except AssertionError:
            raise AssertionError(Counter(ev.ObligationState.Name(o.state) for o in found)) from None
    return found
