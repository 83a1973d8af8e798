"""The key provider of the embedded default: one JSON file that only its owner may read.

    {"format": 1, "root": "<base64, 32 bytes>", "epochs": {"1": "<base64, 32 bytes>"}}

- Written to a new file, synced, put in place in one step, and the folder synced: a crash leaves the old or the new.
- Epochs are numbered upwards from 1 and the highest is current. A number is never used for two keys.
- Several processes may use one file. An epoch that another process added is read when first met.
- A wrapped key is: 0x01, epoch (4 bytes, big-endian), nonce (12 bytes, random), AES-256-GCM(key). The additional data
  is the 5 bytes in front of the nonce, then `aad`. At most 2^32 keys an epoch, by the random nonce.
- Losing the file loses every person's data; who reads it can open the key store. Error texts never hold its content.
"""

import base64
import binascii
import contextlib
import fcntl
import json
import os
import secrets
import stat
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from consentledger.crypto.provider import KeyUnavailable

FORMAT = 1
WRAPPED = struct.Struct(">BI12s")


class KeyringUnusable(Exception):
    """The keyring file is missing, malformed, or readable by others."""


class FileKeyring:
    """A `KeyProvider` over a keyring file. Made by `create`, `open` or `open_or_create`."""

    def __init__(self, path: Path, root: bytes, epochs: Mapping[int, bytes]) -> None:
        self._path = path
        self._root = root
        self._keep(epochs)

    def _keep(self, epochs: Mapping[int, bytes]) -> None:
        self._epochs = dict(epochs)
        self._sealers = {number: AESGCM(key) for number, key in epochs.items()}

    @classmethod
    def create(cls, path: Path) -> "FileKeyring":
        """Make a keyring with one epoch. Raises KeyringUnusable if the file exists."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = cls(path, secrets.token_bytes(32), {1: secrets.token_bytes(32)})
        new._write(replace=False)
        return new

    @classmethod
    def open(cls, path: Path) -> "FileKeyring":
        """Read a keyring. Raises KeyringUnusable."""
        return cls(path, *_read(path))

    @classmethod
    def open_or_create(cls, path: Path) -> "FileKeyring":
        """Read a keyring, or make one where there is none: for the embedded default only."""
        if not path.exists():
            # Another process may be first: then `create` refuses and theirs is read.
            with contextlib.suppress(KeyringUnusable):
                return cls.create(path)
        return cls.open(path)

    @property
    def current_epoch(self) -> int:
        """The epoch that `wrap` uses."""
        return max(self._epochs)

    def wrap(self, key: bytes, aad: bytes) -> bytes:
        """See `KeyProvider.wrap`."""
        epoch = self.current_epoch
        head = WRAPPED.pack(FORMAT, epoch, os.urandom(12))
        return head + self._sealers[epoch].encrypt(head[5:], key, head[:5] + aad)

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        """See `KeyProvider.unwrap`."""
        if len(wrapped) < WRAPPED.size or wrapped[0] != FORMAT:
            raise KeyUnavailable("not a wrapped key of this format")
        epoch = int.from_bytes(wrapped[1:5], "big")
        if epoch not in self._sealers:
            self._keep(_read(self._path)[1])
        if epoch not in self._sealers:
            raise KeyUnavailable(f"epoch {epoch} is not in the keyring")
        try:
            return self._sealers[epoch].decrypt(wrapped[5:17], wrapped[17:], wrapped[:5] + aad)
        except InvalidTag:
            raise KeyUnavailable("the wrapped key was changed, or is another's") from None

    def derive(self, label: str, length: int = 32) -> bytes:
        """See `KeyProvider.derive`."""
        return HKDF(SHA256(), length, salt=None, info=label.encode()).derive(self._root)

    def roll(self) -> int:
        """Add an epoch and make it current. Returns its number. Durable on return."""
        with self._alone():
            number = self.current_epoch + 1
            self._keep({**self._epochs, number: secrets.token_bytes(32)})
            self._write(replace=True)
        return number

    def destroy(self, epoch: int) -> None:
        """Forget an epoch's key for ever: what is still wrapped by it is lost. Refuses the current one. Repeatable."""
        with self._alone():
            if epoch == self.current_epoch:
                raise ValueError("the current epoch cannot be destroyed: roll first")
            self._keep({number: key for number, key in self._epochs.items() if number != epoch})
            self._write(replace=True)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Change the newest content, one process at a time: two that roll must not make two keys of one number."""
        lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._keep(_read(self._path)[1])
            yield
        finally:
            os.close(lock)

    def _write(self, replace: bool) -> None:
        content = {
            "format": FORMAT,
            "root": base64.b64encode(self._root).decode(),
            "epochs": {str(number): base64.b64encode(key).decode() for number, key in sorted(self._epochs.items())},
        }
        draft = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}.new")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as out:
                json.dump(content, out, indent=1)
                out.flush()
                os.fsync(out.fileno())
            if replace:
                os.replace(draft, self._path)
            else:
                os.link(draft, self._path)  # unlike a rename, it never takes the place of a file that is there
        except FileExistsError:
            raise KeyringUnusable(f"{self._path} exists") from None
        finally:
            draft.unlink(missing_ok=True)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read(path: Path) -> tuple[bytes, dict[int, bytes]]:
    """The root secret and the epochs of a keyring file. Raises KeyringUnusable."""
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode) or mode & 0o077:
                raise KeyringUnusable(f"{path} must be a file that only its owner may read: chmod 600")
            content = json.loads(file.read())
        if content["format"] != FORMAT:
            raise KeyringUnusable(f"{path} has a format that this version does not know")
        root = base64.b64decode(content["root"], validate=True)
        epochs = {int(number): base64.b64decode(key, validate=True) for number, key in content["epochs"].items()}
    except OSError as error:
        raise KeyringUnusable(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from None
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise KeyringUnusable(f"{path} is not a keyring") from None
    if len(root) != 32 or not epochs or any(len(key) != 32 for key in epochs.values()):
        raise KeyringUnusable(f"{path} is not a keyring")
    if not all(0 < number < 1 << 32 for number in epochs):
        raise KeyringUnusable(f"{path} is not a keyring")
    return root, epochs
