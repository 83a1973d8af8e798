"""Waking those who follow the log: commits of this process at once, those of other replicas by polling."""

import asyncio


class Bell:
    """Rung after each commit. A follower takes the bell's count, reads the log, and waits for the count to change."""

    def __init__(self) -> None:
        self.count = 0
        self._rung = asyncio.Event()

    def ring(self, _entries: object = None) -> None:
        """Wake everyone who waits. Never blocks."""
        self.count += 1
        self._rung.set()
        self._rung = asyncio.Event()

    async def changed(self, count: int, seconds: float) -> bool:
        """Wait until the count is another one, at most so long. False when the time is up."""
        if self.count != count:
            return True
        rung = self._rung
        try:
            async with asyncio.timeout(seconds):
                await rung.wait()
        except TimeoutError:
            return False
        return True
