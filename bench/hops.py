"""The floor of a fan-out: two chained JetStream hops with one durable insert between, nothing else.

    python -m bench.hops '{"folder": PATH, "count": 200, "every_ms": 20}'     the client's side
    python -m bench.hops '{"relay": {"url": …, "user": …, "password": …}, "database": PATH}'    the relay

- The same nats-server with the same settings as ours (every message synced and encrypted), the same pull loops.
- publish to A, acknowledged -> the relay inserts a row and commits -> publishes to B, acknowledged -> received. The
  time is from A's acknowledgement to the receipt.
"""

import asyncio
import json
import secrets
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from bench.processes import child
from bench.withdrawals import LIMIT_SECONDS, WARM, summary
from consentledger.bus.connection import Bus, connect
from consentledger.bus.consumer import PullLoop, ensure_consumer
from consentledger.bus.embedded import EmbeddedNats
from consentledger.bus.message import Message
from consentledger.bus.streams import StreamSpec, ensure_stream
from consentledger.bus.wire import answer

A, B = "FLOOR_A", "FLOOR_B"
BODY = bytes(200)


async def relay(login: dict[str, str], database: Path) -> None:
    """From A through the database to B, until standard input closes."""
    bus = await connect(login["url"], "relay", user=login["user"], password=login["password"])
    file = sqlite3.connect(database, isolation_level=None)
    file.execute("PRAGMA journal_mode=WAL")
    file.execute("PRAGMA synchronous=FULL")
    file.execute("CREATE TABLE IF NOT EXISTS hop (sequence integer PRIMARY KEY, body blob NOT NULL)")

    async def handle(messages: list[Message]) -> None:
        file.execute("BEGIN IMMEDIATE")
        rows = [(message.stream_sequence, message.payload) for message in messages]
        file.executemany("INSERT OR IGNORE INTO hop VALUES (?, ?)", rows)
        file.execute("COMMIT")
        await asyncio.gather(*(_publish(bus, "floor.b", message.payload) for message in messages))

    loop = PullLoop(bus, A, "relay", handle)
    await loop.start()
    await asyncio.to_thread(sys.stdin.read)
    await loop.stop()
    await bus.close()
    file.close()


async def _publish(bus: Bus, subject: str, body: bytes) -> None:
    answer(await bus.request(subject, body))


async def drive(job: dict[str, Any]) -> dict[str, float]:
    """The client's side: a number at a steady pace into A, out of B."""
    folder = Path(job["folder"])
    received: dict[int, float] = {}
    acknowledged: dict[int, float] = {}
    changed = asyncio.Event()

    async def handle(messages: list[Message]) -> None:
        now = time.perf_counter()
        for message in messages:
            received.setdefault(int.from_bytes(message.payload[:4], "big"), now)
        changed.set()

    async def send(bus: Bus, number: int) -> None:
        await _publish(bus, "floor.a", number.to_bytes(4, "big") + BODY)
        acknowledged[number] = time.perf_counter()

    async def all_received() -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not acknowledged.keys() <= received.keys():
                changed.clear()
                await changed.wait()

    async with EmbeddedNats(folder / "nats", secrets.token_bytes(32)) as server:
        login = {"url": server.url, "user": server.user, "password": server.password}
        bus = await connect(server.url, "floor", user=server.user, password=server.password)
        for name, subject in ((A, "floor.a"), (B, "floor.b")):
            await ensure_stream(bus, StreamSpec(name, (subject,), False, 1 << 28))
        await ensure_consumer(bus, A, "relay")
        await ensure_consumer(bus, B, "end")
        loop = PullLoop(bus, B, "end", handle)
        await loop.start()
        argument = json.dumps({"relay": login, "database": str(folder / "hops.db")})
        with child(["-m", "bench.hops", argument]):
            for number in range(WARM):
                await send(bus, number)
            await all_received()
            acknowledged.clear()
            began, calls = time.perf_counter(), []
            for n in range(job["count"]):
                await asyncio.sleep(began + n * job["every_ms"] / 1000 - time.perf_counter())
                calls.append(asyncio.create_task(send(bus, WARM + n)))
            await asyncio.gather(*calls)
            await all_received()
        await loop.stop()
        await bus.close()
    return summary(list(acknowledged.values()), [received[number] for number in acknowledged])


def main(argument: str) -> None:
    """Either side."""
    job = json.loads(argument)
    if "relay" in job:
        asyncio.run(relay(job["relay"], Path(job["database"])))
    else:
        print(json.dumps(asyncio.run(drive(job))))


if __name__ == "__main__":
    main(sys.argv[1])
