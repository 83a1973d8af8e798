"""What a backup holds, in a file of its own beside it: enough to see that it is whole, and which history it is of."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from consentledger.store.ledger import StoreUnavailable
from consentledger.store.sqlite_copy import digest, sync_folder

FORMAT = "consent-ledger-backup@v1"
NAME = "manifest.json"


class BadBackup(StoreUnavailable):
    """The folder holds no backup, or not the one that its manifest describes."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of it."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class LogOf:
    """One log as it was."""

    log: str
    origin: str
    epoch: int
    position: int
    root: str
    """32 bytes in hexadecimal."""
    checkpoint: str
    """The signed note of that tree; empty for a log that has no name yet."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """See the module."""

    made_at: str
    """RFC 3339."""
    store: str
    """`sqlite` or `postgresql`."""
    keys: bool
    """Whether the key store is in it."""
    logs: list[LogOf] = field(default_factory=list)
    files: list[File] = field(default_factory=list)


def write(folder: Path, manifest: Manifest) -> None:
    """The last thing that is written: without it there is no backup."""
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1)
    (folder / NAME).write_text(text + "\n")
    sync_folder(folder)


def read(folder: Path) -> Manifest:
    """The manifest, all files compared with it. Raises BadBackup."""
    try:
        raw: Any = json.loads((folder / NAME).read_text("utf-8"))
        if raw.pop("format") != FORMAT:
            raise BadBackup("a backup of a format that is not known here")
        logs, files = [LogOf(**one) for one in raw.pop("logs")], [File(**one) for one in raw.pop("files")]
        found = Manifest(**raw, logs=logs, files=files)
    except FileNotFoundError:
        raise BadBackup(f"there is no {NAME} in {folder}: not a backup, or one that was cut off") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BadBackup(f"{NAME} cannot be read") from None
    for file in found.files:
        if "/" in file.name or file.name.startswith(".") or not (folder / file.name).is_file():
            raise BadBackup(f"{file.name} is missing")
        if digest(folder / file.name) != (file.bytes, file.sha256):
            raise BadBackup(f"{file.name} is not what was written")
    return found


def file_of(path: Path) -> File:
    """A file that is finished."""
    return File(path.name, *digest(path))
