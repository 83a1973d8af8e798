"""Verifies an export, or makes proofs, in a process of its own.

    python -m bench.audit '{"how": "verify", "file": "log.jsonl"}'
    python -m bench.audit '{"how": "prove", "data": "data", "log": "consent", "proofs": 5000}'
    python -m bench.audit '{"how": "ask", "address": "127.0.0.1:50051", "size": 1000000, "proofs": 5000}'

Proofs are of leaves at random; the first one is timed from the start of the process's work, the log still closed.
"""

import asyncio
import json
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

from consentledger.crypto.keyring import FileKeyring
from consentledger.rpc import channel
from consentledger.store.guard_file import FileGuard
from consentledger.store.open import open_store
from consentledger.store.signedlog import DEFAULT_NAME, SignedLog
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import audit_service_pb2_grpc
from consentledger_verify.overview import Asked
from consentledger_verify.verify import verify
from services.consent.projection.tables import MIGRATIONS

AT_ONCE = 16


def check(job: dict[str, Any]) -> dict[str, float]:
    """Verify."""
    with open(job["file"], "rb") as file:
        began, cpu = time.perf_counter(), time.process_time()
        view = verify(file, Asked(time.time_ns()))
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    if view.code:
        raise SystemExit(f"the export does not verify: {[str(found.problem) for found in view.found.problems]}")
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "events": view.events,
        "per_second": view.events / took,
        "per_cpu_second": view.events / cpu,
        "rss_mb": rss_mb,
    }


async def prove(job: dict[str, Any]) -> dict[str, float]:
    """Make inclusion proofs from the store, one after the other."""
    data, began = Path(job["data"]), time.perf_counter()
    store = await open_store(f"sqlite:///{data / 'consent.db'}", "consent", MIGRATIONS)
    guard = FileGuard(data / "guard")
    try:
        log = await SignedLog.open(store, "consent", FileKeyring.open(data / "keyring.json"), guard, DEFAULT_NAME)
        size = log.tree.size
        await log.prover.inclusion(random.randrange(size), size)
        first = time.perf_counter() - began
        places = [random.randrange(size) for _ in range(job["proofs"])]
        began = time.perf_counter()
        for place in places:
            await log.prover.inclusion(place, size)
        took = time.perf_counter() - began
        await log.close()
    finally:
        await guard.close()
        await store.close()
    return {"size": size, "per_second": len(places) / took, "first_seconds": first}


async def ask(job: dict[str, Any]) -> dict[str, float]:
    """Ask a service for inclusion proofs, some at a time."""
    connection = channel.connect(job["address"])
    places = [random.randrange(job["size"]) + 1 for _ in range(job["proofs"])]
    stub: Any = audit_service_pb2_grpc.AuditServiceStub(connection)

    async def some(mine: list[int]) -> None:
        for place in mine:
            await stub.GetInclusionProof(au.GetInclusionProofRequest(position=place), timeout=30)

    try:
        await some(places[:AT_ONCE])
        began = time.perf_counter()
        await asyncio.gather(*(some(places[n::AT_ONCE]) for n in range(AT_ONCE)))
        took = time.perf_counter() - began
    finally:
        await connection.close()
    return {"per_second": len(places) / took}


def main(argument: str) -> None:
    """Print what was found."""
    job = json.loads(argument)
    if job["how"] == "verify":
        print(json.dumps(check(job)))
    else:
        print(json.dumps(asyncio.run(prove(job) if job["how"] == "prove" else ask(job))))


if __name__ == "__main__":
    main(sys.argv[1])
