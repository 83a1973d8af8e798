"""Withdraws consents at a steady pace and is the downstream that hears of it, in a process of its own.

    python -m bench.withdrawals '{"address": …, "login": {…}, "first": 0, "count": 200, "every_ms": 20}'

- The time is from the acknowledgement of the withdrawal, as its caller sees it, to the downstream's handler being
  called with it; both on this process's clock.
- The first few are not counted: streams, consumers and connections are made with them.
"""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Sequence
from typing import Any

from bench.requests import PURPOSE, TENANT, person, subject
from consentledger.client.downstream import Downstream
from consentledger.client.obligation import Obligation, Outcome, enforced
from consentledger.errors import LedgerError, Reason
from consentledger.rpc import channel
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import consent_service_pb2_grpc, notifier_service_pb2_grpc
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import notifier_service_pb2 as ns

DOWNSTREAM = "bench"
WARM = 10
LIMIT_SECONDS = 60.0


def summary(acknowledged: Sequence[float], received: Sequence[float]) -> dict[str, float]:
    """Median and 99th percentile, in ms, of the time between two moments; what came before it was due counts as 0."""
    times = sorted(1000 * max(0.0, b - a) for a, b in zip(acknowledged, received, strict=True))
    return {"p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100], "count": len(times)}


async def _register(connection: Any) -> None:
    stub: Any = notifier_service_pb2_grpc.NotifierServiceStub(connection)
    downstream = ev.Downstream(
        id=DOWNSTREAM,
        display_name="Benchmark",
        kind=ev.DOWNSTREAM_KIND_INTERNAL,
        purposes=["*"],
        identifier_namespace="email",
    )
    request = ns.RegisterDownstreamRequest(request_id=str(uuid.uuid4()), tenant=TENANT, downstream=downstream)
    try:
        await channel.call(stub.RegisterDownstream, request, 10)
    except LedgerError as error:
        if error.reason is not Reason.DOWNSTREAM_EXISTS:
            raise


async def drive(job: dict[str, Any]) -> dict[str, float]:
    """Do the job."""
    received: dict[str, float] = {}
    changed = asyncio.Event()

    async def handler(obligation: Obligation) -> Outcome:
        now = time.perf_counter()
        for id in obligation.ids:
            received.setdefault(id, now)
        changed.set()
        return enforced("suppressed", 1)

    login = job["login"]
    connection = channel.connect(job["address"])
    consent: Any = consent_service_pb2_grpc.ConsentServiceStub(connection)
    acknowledged: dict[str, float] = {}

    async def withdraw(number: int) -> None:
        request = cs.WithdrawConsentRequest(
            request_id=str(uuid.uuid4()), tenant=TENANT, subject=subject(number), purposes=[PURPOSE]
        )
        await channel.call(consent.WithdrawConsent, request, 20)
        acknowledged[person(number)] = time.perf_counter()

    async def all_received() -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not acknowledged.keys() <= received.keys():
                changed.clear()
                await changed.wait()

    try:
        await _register(connection)
        async with Downstream(
            login["url"], TENANT, DOWNSTREAM, handler, user=login["user"], password=login["password"]
        ):
            for number in range(job["first"], job["first"] + WARM):
                await withdraw(number)
            await all_received()
            acknowledged.clear()
            began, calls = time.perf_counter(), []
            for n in range(job["count"]):
                await asyncio.sleep(began + n * job["every_ms"] / 1000 - time.perf_counter())
                calls.append(asyncio.create_task(withdraw(job["first"] + WARM + n)))
            await asyncio.gather(*calls)
            await all_received()
    finally:
        await connection.close()
    return summary(list(acknowledged.values()), [received[id] for id in acknowledged])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(drive(json.loads(sys.argv[1])))))
