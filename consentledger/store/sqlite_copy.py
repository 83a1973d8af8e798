"""A SQLite database as one file, taken and put in place whole. No SQL of the ledger.

Taking runs beside the process that has the database open: what is copied is one moment, and nobody waits for it.
"""

import contextlib
import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from consentledger.store.ledger import StoreUnavailable
from consentledger.store.reader import SqliteReader
from consentledger.store.sqlite_work import translation

PAGES = 2_048
_CHUNK = 1 << 20


def take(reader: SqliteReader, to: Path, progress: Callable[[int, int], None] = lambda done, of: None) -> None:
    """Write the reader's moment to a new file, synced. `progress(pages done, in all)`. StoreUnavailable."""
    descriptor = os.open(to, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        target = sqlite3.connect(to, isolation_level=None)
        try:
            # The reader's transaction holds the moment: the copy never has to begin again, however much is written.
            reader.connection.backup(
                target, pages=PAGES, progress=lambda _status, left, total: progress(total - left, total)
            )
        finally:
            target.close()
        os.fsync(descriptor)
        sync_folder(to.parent)
    except sqlite3.Error as error:
        raise translation(error) from None
    finally:
        os.close(descriptor)


def put(source: Path, to: Path) -> None:
    """Copy a file that was taken to where a service will open it. StoreUnavailable if anything is there."""
    with claimed(to):
        refuse_if_there(to)
        beside = Path(f"{to}.restored")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(source, "rb") as taken, open(descriptor, "wb") as new:
            while chunk := taken.read(_CHUNK):
                new.write(chunk)
            new.flush()
            os.fsync(new.fileno())
        beside.rename(to)
        sync_folder(to.parent)


def refuse_if_there(path: Path) -> None:
    """StoreUnavailable if there is a database, or what one left beside it: a new one would take that for its own."""
    for one in (path, Path(f"{path}-wal"), Path(f"{path}-shm"), Path(f"{path}-journal")):
        if one.exists():
            raise StoreUnavailable(f"there is a {one}: move it away first")


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Hold the lock that a process holds which has the file open; see `sqlite_file`. StoreUnavailable if one does."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise StoreUnavailable(f"{path} is in use by another process") from None
    finally:
        os.close(lock)


def digest(path: Path) -> tuple[int, str]:
    """(bytes, SHA-256) of a file."""
    sha, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
            size += len(chunk)
    return size, sha.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
