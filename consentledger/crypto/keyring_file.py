"""A keyring's file: what is in it, who may read it, and how it is replaced.

Plain, or sealed by a `Sealer`:

    {"format": 1, "root": "<base64, 32 bytes>", "epochs": {"1": "<base64, 32 bytes>"}}
    {"format": 2, "sealer": "<its name>", "sealed": "<base64>"}

where what is sealed is a document of format 1, bound to the label `AAD`. The rules:

- Only its owner may read it. Error texts never hold its content.
- Written to a new file, synced, put in place in one step, and the folder synced: a crash leaves the old or the new.
  Whoever reads syncs the folder first: an epoch that is used is never lost with a rename that was not yet on the disk.
- Drafts that a crash left are removed by whoever changes the file next: they hold keys too.
- A sealed file is not opened without its sealer, nor a plain one with a sealer: each would hide a mistake.
"""

import base64
import binascii
import contextlib
import errno
import fcntl
import glob
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consentledger.crypto.sealer import CannotUnseal, Sealer, SealerUnavailable

PLAIN, SEALED = 1, 2
AAD = b"consentledger.v1.keyring\0"
SETTING = "CONSENTLEDGER_KEYRING_SEALER"
Stamp = tuple[int, ...]


class KeyringUnusable(Exception):
    """The keyring file is missing, malformed, readable by others, cannot be unsealed, or cannot be written."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a keyring holds."""

    root: bytes = field(repr=False)
    """32 bytes."""
    epochs: Mapping[int, bytes] = field(repr=False)
    """Key by number, 32 bytes each."""

    def encoded(self) -> dict[str, Any]:
        """As a document of format 1."""
        epochs = {str(number): base64.b64encode(key).decode() for number, key in sorted(self.epochs.items())}
        return {"format": PLAIN, "root": base64.b64encode(self.root).decode(), "epochs": epochs}

    @classmethod
    def decoded(cls, document: Any) -> "Content":
        """Of such a document. Raises ValueError, KeyError, TypeError or AttributeError for any other."""
        if document["format"] != PLAIN:
            raise ValueError("not a document of format 1")
        root = base64.b64decode(document["root"], validate=True)
        epochs = {int(number): base64.b64decode(key, validate=True) for number, key in document["epochs"].items()}
        if any(len(key) != 32 for key in (root, *epochs.values())) or not epochs:
            raise ValueError("not the keys of a keyring")
        if not all(0 < number < 1 << 32 for number in epochs):
            raise ValueError("not the epochs of a keyring")
        return cls(root, epochs)


class KeyringFile:
    """See the module's rules. Calls may block as long as the sealer does."""

    def __init__(self, path: Path, sealer: Sealer | None) -> None:
        self.path = path
        self.sealer = sealer

    def stamp(self) -> Stamp | None:
        """What differs when the file was replaced; None when it cannot be seen. Takes a microsecond."""
        try:
            return _stamp(os.stat(self.path))
        except OSError:
            return None

    def read(self) -> tuple[Content, Stamp]:
        """The content and its stamp. Raises KeyringUnusable."""
        document, stamp = self._document()
        try:
            if document["format"] == SEALED:
                document = json.loads(self._unseal(document))
            elif self.sealer is not None:
                raise KeyringUnusable(f"{self.path} is not sealed, but {SETTING} says so: consentledger keys reseal")
            elif document["format"] != PLAIN:
                raise KeyringUnusable(f"{self.path} has a format that this version does not know")
            return Content.decoded(document), stamp
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
            raise KeyringUnusable(f"{self.path} is not a keyring") from None

    def sealed(self) -> bytes:
        """What the sealer made of the content, as it is in the file. Raises KeyringUnusable."""
        try:
            return base64.b64decode(self._document()[0]["sealed"], validate=True)
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise KeyringUnusable(f"{self.path} is not sealed") from None

    def _document(self) -> tuple[Any, Stamp]:
        try:
            with open(self.path, "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
                    raise KeyringUnusable(f"{self.path} must be a file that only its owner may read: chmod 600")
                text = file.read()
            with contextlib.suppress(PermissionError):  # who may not read the folder did not write in it
                _sync_folder(self.path)
            return json.loads(text), _stamp(found)
        except OSError as error:
            raise KeyringUnusable(f"{self.path} cannot be read: {os.strerror(error.errno or 0)}") from None
        except ValueError:
            raise KeyringUnusable(f"{self.path} is not a keyring") from None

    def _unseal(self, document: Any) -> bytes:
        by = document["sealer"]
        if not isinstance(by, str) or not by.isprintable():
            raise ValueError("not the name of a sealer")
        if self.sealer is None or self.sealer.name.partition(":")[0] != by.partition(":")[0]:
            raise KeyringUnusable(f"{self.path} is sealed by {by}: name that in {SETTING}")
        try:
            return self.sealer.unseal(base64.b64decode(document["sealed"], validate=True), AAD)
        except (CannotUnseal, SealerUnavailable) as failure:
            raise KeyringUnusable(f"{self.path}, sealed by {by}, cannot be unsealed: {failure}") from None

    def write(self, content: Content, *, replace: bool = True) -> None:
        """Put `content` into the file, durably. Raises KeyringUnusable; then the file is the old or the new one."""
        document = content.encoded()
        try:
            if self.sealer is not None:
                sealed = self.sealer.seal(json.dumps(document).encode(), AAD)
                document = {
                    "format": SEALED, "sealer": self.sealer.name, "sealed": base64.b64encode(sealed).decode(),
                }  # fmt: skip
            self._put(json.dumps(document, indent=1), replace)
        except SealerUnavailable as failure:
            raise KeyringUnusable(f"{self.path} cannot be sealed: {failure}") from None
        except FileExistsError:
            raise KeyringUnusable(f"{self.path} exists") from None
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise KeyringUnusable(f"{self.path} may not have been written: {why}; look before trying again") from None

    def _put(self, text: str, replace: bool) -> None:
        draft = self.path.with_name(f"{self.path.name}.{secrets.token_hex(8)}.new")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            # The commit point. Before: the old file. After: the new one, for sure once the folder is synced.
            if replace:
                os.replace(draft, self.path)
            else:
                os.link(draft, self.path)  # unlike a rename, it never takes the place of a file that is there
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(self.path)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Change the file, one process at a time: two that roll must not make two keys of one number."""
        try:
            lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise KeyringUnusable(f"{self.path} cannot be changed: {os.strerror(error.errno or 0)}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for draft in self.path.parent.glob(f"{glob.escape(self.path.name)}.*.new"):
                draft.unlink(missing_ok=True)
            yield
        finally:
            os.close(lock)


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EINVAL):  # a file system that keeps nothing back
            raise
    finally:
        os.close(folder)
