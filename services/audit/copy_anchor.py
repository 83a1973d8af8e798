"""A folder of write-once copies as an anchor: `<folder>/<hex SHA-256 of origin>/<size>.checkpoint`.

It is worth what the folder is worth: one that the operator of the database cannot change, such as a mount of another
machine, or a bucket with an object lock that the folder is copied to. Files never change, so that any tool can do so.
Evidence is the SHA-256 of the note's text; a copy states no time.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from consentledger.store.notary import Signed
from consentledger.tlog.checkpoint import CheckpointError, parse_checkpoint
from consentledger.tlog.note import NoteError, read_note
from services.audit.anchors import COPY, AnchorRefused, AnchorUnavailable


class CopyAnchor:
    """One folder."""

    kind = COPY
    every_seconds = 0

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = "folder"
        self._thread = ThreadPoolExecutor(1, "copies")  # of its own: a mount that hangs holds up nothing else

    async def submit(self, signed: Signed, before: int) -> bytes:
        """See `Anchor`. Refused when another note of that size is there."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._keep, signed.note)
        except OSError as error:
            raise AnchorUnavailable(os.strerror(error.errno or 0)) from None

    def verify(self, note: bytes, evidence: bytes) -> int | None:
        """See `Anchor`. The file itself is what counts; it may be elsewhere by now."""
        if evidence != _digest(note):
            raise AnchorRefused("the copy is of another note")
        return None

    def _keep(self, note: bytes) -> bytes:
        checkpoint = parse_checkpoint(read_note(note)[0])
        folder = self._folder / hashlib.sha256(checkpoint.origin.encode()).hexdigest()
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        path = folder / f"{checkpoint.size}.checkpoint"
        draft = folder / f".{secrets.token_hex(8)}.new"
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444), "wb") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            # A link, unlike a rename, never takes the place of a file; and what has the name is whole.
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        for changed in (folder, self._folder):
            _sync(changed)
        try:
            if _digest(path.read_bytes()) == _digest(note):
                return _digest(note)
        except (NoteError, CheckpointError):
            pass
        raise AnchorRefused("another checkpoint of this size is in the folder")


def _digest(note: bytes) -> bytes:
    """Of the text: an algorithm that signs differently each time makes no other checkpoint."""
    return hashlib.sha256(read_note(note)[0].encode()).digest()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
