"""A guard in files: for one machine. One file a log, written in place and synced.

A file has two slots of 128 bytes; they are written in turn, so that a crash in the middle of a write harms at most the
one being written, whose place in the log is then the one before. The file's name is the hash of the log's, since names
hold slashes.

    slot = "clguard1" (8) ‖ uint64 turn ‖ uint64 size ‖ root (32) ‖ SHA-256 of origin ‖ 0x00 ‖ what stands before (32)
"""

import asyncio
import fcntl
import hashlib
import os
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from consentledger.store.guard import Guard, Guarded, GuardUnavailable

T = TypeVar("T")
_SLOT = struct.Struct(">8sQQ32s")
_MAGIC = b"clguard1"
SLOT_SIZE = 128
CLOSE_SECONDS = 5.0


class FileGuard(Guard):
    """See `Guard`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, int] = {}
        self._synced: set[str] = set()
        """Whose newest slot this process has written and synced itself."""
        self._thread = ThreadPoolExecutor(1, "guard")

    async def read(self, origin: str) -> Guarded | None:
        found = await self._run(lambda: self._read(self._file(origin), origin))
        return found[1] if found else None

    async def move(self, origin: str, expected: Guarded | None, to: Guarded) -> Guarded | None:
        return await self._run(lambda: self._move(origin, expected, to))

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.to_thread(self._thread.shutdown)
        except TimeoutError:
            return  # a disk that hangs keeps its thread and its files
        for file in self._files.values():
            os.close(file)
        self._files = {}

    async def _run(self, step: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, step)
        except OSError as error:
            raise GuardUnavailable(f"the checkpoint guard: {os.strerror(error.errno or 0)}") from None
        except RuntimeError:
            raise GuardUnavailable("the checkpoint guard is closed") from None

    def _file(self, origin: str) -> int:
        file = self._files.get(origin)
        if file is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._folder / f"{hashlib.sha256(origin.encode()).hexdigest()[:32]}.guard"
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
            except OSError:
                os.close(file)
                raise
            self._files[origin] = file
        return file

    def _move(self, origin: str, expected: Guarded | None, to: Guarded) -> Guarded | None:
        file = self._file(origin)
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            found = self._read(file, origin)
            turn, kept = found if found else (0, None)
            if kept not in (expected, to) or (kept == to and origin in self._synced):
                return kept
            # What is there may be of a write that was never synced, by us or by who had the file before: write again.
            self._synced.discard(origin)
            self._write(file, origin, turn + 1, to)
            self._synced.add(origin)
            return to
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    @staticmethod
    def _write(file: int, origin: str, turn: int, new: Guarded) -> None:
        head = _SLOT.pack(_MAGIC, turn, new.size, new.root)
        slot = (head + _check(origin, head)).ljust(SLOT_SIZE, b"\0")
        if os.pwrite(file, slot, (turn % 2) * SLOT_SIZE) != SLOT_SIZE:
            raise OSError(28, "short write")
        os.fdatasync(file)  # before this returns nothing was promised; after it everything is

    @staticmethod
    def _read(file: int, origin: str) -> tuple[int, Guarded] | None:
        content = os.pread(file, 2 * SLOT_SIZE + 1, 0)
        slots = []
        for at in range(0, len(content), SLOT_SIZE):
            slot = content[at : at + SLOT_SIZE]
            head, check = slot[: _SLOT.size], slot[_SLOT.size : _SLOT.size + 32]
            if len(head) == _SLOT.size and head[:8] == _MAGIC and check == _check(origin, head):
                _, turn, size, root = _SLOT.unpack(head)
                slots.append((turn, Guarded(size, root)))
        # A crash in the first write ever, to the second slot, leaves the first one empty: nothing was promised yet.
        if not slots and content[:SLOT_SIZE].strip(b"\0"):
            raise GuardUnavailable("the checkpoint guard's file is damaged")
        return max(slots, key=lambda slot: slot[0]) if slots else None


def _check(origin: str, head: bytes) -> bytes:
    return hashlib.sha256(origin.encode() + b"\0" + head).digest()
