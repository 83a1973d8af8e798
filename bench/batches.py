"""A client of BatchCheckConsent in a process of its own: 1,000 people a call, a few calls in flight.

    python -m bench.batches '{"address": …, "items": 1000, "in_flight": 2, "seconds": 2, "people": 2000}'

The requests are made before the clock starts and one answer of each is parsed: every item must be ALLOWED.
"""

import asyncio
import json
import random
import sys
import time
from typing import Any

import grpc

from bench.requests import PLACE, PURPOSE, SERVICE, TENANT, subject
from consentledger.rpc.channel import OPTIONS
from consentledger.v1 import consent_service_pb2 as cs
from consentledger.v1 import types_pb2 as ty

DIFFERENT = 16
"""Requests to choose from."""


def _request(people: list[int]) -> bytes:
    items = [cs.CheckItem(subject=subject(n), purpose=PURPOSE, jurisdiction=PLACE) for n in people]
    return cs.BatchCheckConsentRequest(tenant=TENANT, items=items).SerializeToString()


async def drive(job: dict[str, Any]) -> dict[str, float]:
    """Do the job; checks a second, and the time of a call."""
    choose = random.Random(7)
    bodies = [_request(choose.sample(range(job["people"]), job["items"])) for _ in range(DIFFERENT)]
    async with grpc.aio.insecure_channel(job["address"], options=OPTIONS) as channel:
        # Bytes in, bytes out: parsing the answers would be the client's own work.
        call: Any = channel.unary_unary(f"{SERVICE}BatchCheckConsent")
        for body in bodies:
            answer = cs.BatchCheckConsentResponse.FromString(await call(body, timeout=20))
            if [r.decision for r in answer.results] != [ty.DECISION_ALLOWED] * job["items"]:
                raise SystemExit("a batch did not answer ALLOWED for everyone")
        times: list[float] = []
        began = time.perf_counter()
        end = began + job["seconds"]

        async def caller(first: int) -> None:
            for n in range(first, sys.maxsize):
                start = time.perf_counter()
                if start >= end:
                    return
                await call(bodies[n % DIFFERENT], timeout=20)
                times.append(time.perf_counter() - start)

        cpu = time.process_time()
        await asyncio.gather(*(caller(5 * n) for n in range(job["in_flight"])))
        took = time.perf_counter() - began
        cpu = time.process_time() - cpu
    times.sort()
    checks = len(times) * job["items"]
    return {
        "per_second": checks / took,
        "checks": checks,
        "p50": 1000 * times[len(times) // 2],
        "p99": 1000 * times[len(times) * 99 // 100],
        "cpu_us": 1e6 * cpu / checks,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(drive(json.loads(sys.argv[1])))))
