"""What a witness has cosigned last, for each log: one file each, replaced in one step and synced.

    <hex SHA-256 of origin>.checkpoint    the note, with the log's signatures and the cosignature
    <hex SHA-256 of origin>.fork          the first note that, with another one, proves that the log signed two trees

- Nothing is handed out, and nothing is served, before it is durable: what a crash could take back was never said.
- One process at a time, by a lock that ends with the process.
- A file that is not what it says stops the witness: it would not know any more what it has signed. A folder must never
  be put back to an older state, for the same reason.
"""

import fcntl
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from consentledger.tlog.checkpoint import Checkpoint, CheckpointError, parse_checkpoint
from consentledger.tlog.cosignature import cosigned_at
from consentledger.tlog.note import NoteError, VerifierKey, open_note
from consentledger.witness.keyfile import sync_folder
from consentledger.witness.rules import Logs


class RecordsUnusable(Exception):
    """The folder is in use by another process, cannot be read, or a record in it is damaged."""


def name_of(origin: str) -> str:
    """How a log is called in paths: 64 hex digits."""
    return hashlib.sha256(origin.encode()).hexdigest()


class Last:
    """What was cosigned last for one log."""

    def __init__(self, note: bytes, log: Sequence[VerifierKey], own: VerifierKey) -> None:
        """Raises NoteError or CheckpointError unless the log and this witness have signed it."""
        open_note(note, log)
        opened = open_note(note, [own])
        self.note = note
        self.checkpoint: Checkpoint = parse_checkpoint(opened.text)
        self.time = max(cosigned_at(one) or 0 for one in opened.verified)
        """Seconds since 1970."""


class Records:
    """See the module's rules. Its calls block, and must not be made by two threads at once."""

    def __init__(self, folder: Path, logs: Logs, own: VerifierKey) -> None:
        """Raises RecordsUnusable."""
        self._folder = folder
        self._logs = logs
        self._own = own
        self._last: dict[str, Last] = {}
        self._origins = {name_of(origin): origin for origin in logs}
        try:
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            sync_folder(folder)  # a rename that a crash of the machine could still undo is durable from here on
            for origin in logs:
                self._load(origin)
        except BlockingIOError:
            raise RecordsUnusable("another process runs this witness") from None
        except OSError as error:
            raise RecordsUnusable(f"{folder}: {os.strerror(error.errno or 0)}") from None

    def last(self, origin: str) -> Last | None:
        """What was cosigned last under that origin."""
        return self._last.get(origin)

    def named(self, name: str) -> bytes | None:
        """The note cosigned last for the log of that `name_of`."""
        last = self._last.get(self._origins.get(name, ""))
        return last.note if last else None

    def keep(self, origin: str, note: bytes) -> None:
        """Take the place of the last. OSError: it may or may not have, and nothing must be said about the note."""
        last = Last(note, self._logs[origin], self._own)
        path = self._folder / f"{name_of(origin)}.checkpoint"
        draft = path.with_suffix(".new")
        self._write(draft, note, os.O_TRUNC)
        os.replace(draft, path)
        sync_folder(self._folder)  # the commit point: before it, at worst a note that nobody has seen is found at start
        self._last[origin] = last

    def keep_fork(self, origin: str, note: bytes) -> None:
        """Keep the first proof that a log signed two trees of one size, with what was cosigned for that size."""
        last = self._last[origin].note
        try:
            self._write(self._folder / f"{name_of(origin)}.fork", last + b"\n" + note, os.O_EXCL)
        except FileExistsError:
            return
        sync_folder(self._folder)

    def close(self) -> None:
        """Let another process take over."""
        os.close(self._lock)

    def _load(self, origin: str) -> None:
        try:
            note = (self._folder / f"{name_of(origin)}.checkpoint").read_bytes()
        except FileNotFoundError:
            return
        try:
            last = Last(note, self._logs[origin], self._own)
        except (NoteError, CheckpointError):
            raise RecordsUnusable("a record is damaged: this witness must not go on under its key") from None
        if last.checkpoint.origin != origin:
            raise RecordsUnusable("a record is another log's: this witness must not go on under its key")
        self._last[origin] = last

    @staticmethod
    def _write(path: Path, data: bytes, how: int) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
