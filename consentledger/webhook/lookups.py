"""From a host's name to addresses, by the machine's own resolver, anew at each attempt: nothing is remembered.

A resolver can hang, and then holds a thread. So lookups have threads of their own, and a name that is being looked up
is not looked up a second time beside it: a host whose name servers hang takes one thread, whoever asks how often.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

Lookup: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""From (host, port) to addresses as text, in order of preference. Raises OSError when there are none."""

_THREADS = 32


class Lookups:
    """The machine's resolver as a `Lookup`. `close` it in the end; it does not wait for a resolver that hangs."""

    def __init__(
        self, threads: int = _THREADS, resolve: Callable[..., Sequence[tuple[object, ...]]] | None = None
    ) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="webhook-lookup")
        self._resolve = resolve or socket.getaddrinfo
        self._running: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """See `Lookup`."""
        key = (host, port)
        running = self._running.get(key)
        if running is None:
            running = asyncio.get_running_loop().run_in_executor(self._pool, self._ask, host, port)
            self._running[key] = running
            running.add_done_callback(lambda done: self._done(key, done))
        # Whoever gives up waiting does not stop it for the others, nor make its thread free.
        return await asyncio.shield(running)

    def close(self) -> None:
        """Take nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, host: str, port: int) -> list[str]:
        found = self._resolve(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))  # type: ignore[index]

    def _done(self, key: tuple[str, int], done: "asyncio.Future[list[str]]") -> None:
        self._running.pop(key, None)
        if not done.cancelled():
            done.exception()  # heard, though everybody who waited may be gone
