"""Looking names up: by the machine's resolver, anew each time, with a thread for each name that hangs and no more."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from consentledger.webhook.lookups import Lookups
from tests.support.nats import eventually


async def test_the_machines_resolver_is_asked() -> None:
    lookups = Lookups()
    try:
        assert "127.0.0.1" in await lookups("localhost", 443)
        with pytest.raises(OSError, match=r".*"):
            await lookups("name.invalid", 443)
    finally:
        lookups.close()


async def test_each_call_asks_anew_and_addresses_are_told_once() -> None:
    asked: list[tuple[str, int]] = []

    def resolve(host: str, port: int, *, type: Any) -> Sequence[tuple[object, ...]]:
        asked.append((host, port))
        tail = (socket.SOCK_STREAM, 6, "")
        return [
            (socket.AF_INET6, *tail, ("2001:db8::1", port, 0, 0)),
            (socket.AF_INET, *tail, (f"192.0.2.{len(asked)}", port)),
            (socket.AF_INET6, *tail, ("2001:db8::1", port, 0, 0)),
        ]

    lookups = Lookups(resolve=resolve)
    try:
        assert await lookups("a.example", 443) == ["2001:db8::1", "192.0.2.1"]
        assert await lookups("a.example", 443) == ["2001:db8::1", "192.0.2.2"]
        assert asked == [("a.example", 443)] * 2
    finally:
        lookups.close()


async def test_a_name_that_hangs_takes_one_thread_and_holds_up_no_other() -> None:
    released, hanging = threading.Event(), threading.Semaphore(0)

    def resolve(host: str, port: int, *, type: Any) -> Sequence[tuple[object, ...]]:
        if host == "hangs.example":
            hanging.release()
            released.wait(30)
        return [(socket.AF_INET, type, 6, "", ("192.0.2.1", port))]

    lookups = Lookups(threads=2, resolve=resolve)
    try:
        for _ in range(10):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await lookups("hangs.example", 443)
        waiting = asyncio.create_task(lookups("hangs.example", 443))
        assert await lookups("a.example", 443) == ["192.0.2.1"]
        released.set()
        assert await waiting == ["192.0.2.1"]
        assert hanging.acquire(blocking=False)
        assert not hanging.acquire(blocking=False), "it was looked up twice at the same time"
        await eventually(lambda: waiting.done())
    finally:
        released.set()
        lookups.close()
