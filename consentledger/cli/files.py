"""Files that a command writes: whole or not at all, and for nobody else to read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from consentledger.cli.failures import BadFile


def write(path: Path, data: bytes) -> None:
    """The file has its name only when it is whole. Raises BadFile."""
    with writing(path) as file:
        file.write(data)


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which gets its name when the block ends well. Raises BadFile."""
    part = path.with_name(path.name + ".part")
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError:
        raise BadFile("cannot be written") from None
