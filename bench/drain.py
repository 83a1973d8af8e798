"""Reads a whole log in a process of its own: through ReplayEvents, or as rows from the store by a plain driver.

    python -m bench.drain '{"how": "replay", "address": "127.0.0.1:50051"}'
    python -m bench.drain '{"how": "rows", "url": "postgresql://…"}'

Both end with (position, leaf) of every event as Python objects, one after the other, and keep none.
"""

import asyncio
import json
import sqlite3
import sys
import time
from typing import Any

import asyncpg

from bench.requests import TENANT
from consentledger.rpc import channel
from consentledger.v1 import audit_service_pb2 as au
from consentledger.v1 import audit_service_pb2_grpc

ROWS = "SELECT position, leaf FROM event WHERE tenant = {0} ORDER BY position"
AT_ONCE = 1_000


async def replay(address: str) -> int:
    """The client's side of ReplayEvents, positions checked to be ascending; the number of events."""
    connection = channel.connect(address)
    count = last = 0
    try:
        stub: Any = audit_service_pb2_grpc.AuditServiceStub(connection)
        async for chunk in stub.ReplayEvents(au.ReplayEventsRequest(tenant=TENANT)):
            for position, leaf in zip(chunk.positions, chunk.leaves, strict=True):
                if position <= last or not leaf:
                    raise SystemExit("the replay is not in order")
                last = position
                count += 1
    finally:
        await connection.close()
    return count


async def rows(url: str) -> int:
    """The same from the database, a thousand rows at a time."""
    count = 0
    if url.startswith("sqlite:///"):
        with sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True) as file:
            cursor = file.execute(ROWS.format("?"), (TENANT,))
            while some := cursor.fetchmany(AT_ONCE):
                for _position, _leaf in some:
                    count += 1
        file.close()
        return count
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET search_path TO consent")
        async with connection.transaction(readonly=True):
            async for _position, _leaf in connection.cursor(ROWS.format("$1"), TENANT, prefetch=AT_ONCE):
                count += 1
    finally:
        await connection.close()
    return count


def main(argument: str) -> None:
    """Print how many events there were and how long it took."""
    job = json.loads(argument)
    began, cpu = time.perf_counter(), time.process_time()
    count = asyncio.run(replay(job["address"]) if job["how"] == "replay" else rows(job["url"]))
    took = time.perf_counter() - began
    cpu = time.process_time() - cpu
    print(json.dumps({"events": count, "per_second": count / took, "cpu_us": 1e6 * cpu / count}))


if __name__ == "__main__":
    main(sys.argv[1])
