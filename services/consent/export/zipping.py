"""A ZIP that is written while it is read: what was taken is gone from memory, and nothing touches a disk.

Names and order are the caller's; every file has the same time, in UTC, since ZIP knows no zones.
"""

from datetime import datetime
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo


class StreamedZip:
    """One archive. `take` gives what has come since the last time."""

    def __init__(self, when: datetime) -> None:
        self._sink = _Sink()
        # Without `tell` it writes forward only, sizes behind each file: any reader knows that form.
        self._zip = ZipFile(self._sink, "w", ZIP_DEFLATED)  # type: ignore[call-overload]
        self._when = when.timetuple()[:6]

    def file(self, name: str) -> IO[bytes]:
        """A file to be written and closed before the next one."""
        info = ZipInfo(name, self._when)
        info.compress_type = ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        opened: IO[bytes] = self._zip.open(info, "w")
        return opened

    def put(self, name: str, content: bytes) -> None:
        """A whole file."""
        with self.file(name) as file:
            file.write(content)

    def close(self) -> None:
        """Write the directory at the end."""
        self._zip.close()

    def take(self) -> bytes:
        """What is ready."""
        return self._sink.take()


class _Sink:
    """What a ZipFile needs to write to, and no more."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def write(self, data: bytes) -> int:
        self._kept += data
        return len(data)

    def flush(self) -> None:
        """There is nowhere to flush to."""

    def take(self) -> bytes:
        taken = bytes(self._kept)
        self._kept.clear()
        return taken
