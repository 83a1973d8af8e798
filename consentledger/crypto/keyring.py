"""The key provider: a keyring file, kept in memory. The file itself, plain or sealed, is in `keyring_file`.

- Epochs are numbered upwards from 1 and the highest is current. A number is never used for two keys.
- Several processes may use one file. `wrap` looks whether the file was replaced, so a new epoch counts from then on
  everywhere; `unwrap` looks when it meets an epoch that it does not know.
- A file that changed is unsealed on another thread, waited for `PATIENCE_SECONDS` and once: a sealer that does not
  answer must not stop the event loop. Until it is read, `wrap` refuses: its epoch may be about to be destroyed.
- An epoch is used once it is durable. When a write fails and may have happened, the file decides.
- Losing the file loses every person's data; who reads it can open the key store.
"""

import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from consentledger.crypto.keyring_file import Content, KeyringFile, KeyringUnusable, Stamp
from consentledger.crypto.provider import KeyUnavailable, ProviderUnreachable
from consentledger.crypto.sealer import RetiringSealer, Sealer, SealerUnavailable
from consentledger.crypto.wrapped import FORMAT, HEAD, epoch_of

__all__ = ["CannotRetire", "FileKeyring", "KeyringUnusable"]

T = TypeVar("T")

PATIENCE_SECONDS = 2.0
"""What is waited for a sealer while a service runs."""
RETRY_SECONDS = 5.0
"""How long a failure to read counts."""


class CannotRetire(Exception):
    """The keyring's sealer cannot make older copies useless."""


class FileKeyring:
    """A `KeyProvider` over a keyring file. Made by `create`, `open` or `open_or_create`."""

    def __init__(self, file: KeyringFile, content: Content, stamp: Stamp | None) -> None:
        self._file = file
        self._root = content.root
        self._reading: Future[tuple[Content, Stamp]] | None = None
        self._not_before = 0.0
        self._keep(content.epochs, stamp)

    def _keep(self, epochs: Mapping[int, bytes], stamp: Stamp | None) -> None:
        self._keys = {number: AESGCM(key) for number, key in epochs.items()}
        self._current = max(epochs)
        self._stamp = stamp

    @classmethod
    def create(cls, path: Path, sealer: Sealer | None = None) -> "FileKeyring":
        """Make a keyring with one epoch. Raises KeyringUnusable, also if the file exists."""
        path.parent.mkdir(parents=True, exist_ok=True)
        file = KeyringFile(path, sealer)
        file.write(Content(secrets.token_bytes(32), {1: secrets.token_bytes(32)}), replace=False)
        return cls(file, *file.read())

    @classmethod
    def open(cls, path: Path, sealer: Sealer | None = None) -> "FileKeyring":
        """Read a keyring. Raises KeyringUnusable."""
        file = KeyringFile(path, sealer)
        return cls(file, *file.read())

    @classmethod
    def open_or_create(cls, path: Path, sealer: Sealer | None = None) -> "FileKeyring":
        """Read a keyring, or make one where there is none: for the embedded default only."""
        if not path.exists():
            try:
                return cls.create(path, sealer)
            except KeyringUnusable:
                if not path.exists():
                    raise
                # Another process was first: theirs is read.
        return cls.open(path, sealer)

    @property
    def current_epoch(self) -> int:
        """The epoch that `wrap` uses."""
        return self._current

    @property
    def epochs(self) -> list[int]:
        """The epochs whose keys are there, ascending."""
        return sorted(self._keys)

    @property
    def sealed_by(self) -> str:
        """The sealer's name, or `plain`."""
        return self._file.sealer.name if self._file.sealer is not None else "plain"

    def wrap(self, key: bytes, aad: bytes) -> bytes:
        """See `KeyProvider.wrap`."""
        self._refresh()
        head = HEAD.pack(FORMAT, self._current, os.urandom(12))
        return head + self._keys[self._current].encrypt(head[5:], key, head[:5] + aad)

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        """See `KeyProvider.unwrap`."""
        epoch = epoch_of(wrapped)
        if epoch not in self._keys:
            self._refresh()
        if epoch > self._current:
            raise ProviderUnreachable(f"epoch {epoch} is newer than the keyring here")
        if epoch not in self._keys:
            raise KeyUnavailable(f"epoch {epoch} is not in the keyring")
        try:
            return self._keys[epoch].decrypt(wrapped[5:17], wrapped[17:], wrapped[:5] + aad)
        except InvalidTag:
            raise KeyUnavailable("the wrapped key was changed, or is another's") from None

    def derive(self, label: str, length: int = 32) -> bytes:
        """See `KeyProvider.derive`."""
        return HKDF(SHA256(), length, salt=None, info=label.encode()).derive(self._root)

    def roll(self) -> int:
        """Add an epoch and make it current. Returns its number. Durable on return. Raises KeyringUnusable."""
        with self._file.alone():
            content = self._newest()
            number = max(content.epochs) + 1
            self._write(content, {**content.epochs, number: secrets.token_bytes(32)})
        return number

    def destroy(self, epoch: int) -> None:
        """Forget an epoch's key for ever: what is still wrapped by it is lost. Refuses the current one. Repeatable.

        Copies of the file that were made before still hold it, until `retire`.
        """
        with self._file.alone():
            content = self._newest()
            if epoch == max(content.epochs):
                raise ValueError("the current epoch cannot be destroyed: roll first")
            self._renew()
            self._write(content, {number: key for number, key in content.epochs.items() if number != epoch})

    def reseal(self, sealer: Sealer | None) -> None:
        """Seal the same content by `sealer`: another one, another passphrase, or a new version of the same key."""
        with self._file.alone():
            content = self._newest()
            before, self._file.sealer = self._file.sealer, sealer
            try:
                self._renew()
                self._write(content, content.epochs)
            except KeyringUnusable:
                self._file.sealer = before
                raise

    def retire(self) -> None:
        """Make every copy of the file that was sealed by an older version useless: replicas' copies too.

        Raises CannotRetire and KeyringUnusable.
        """
        with self._file.alone():
            if not isinstance(self._file.sealer, RetiringSealer):
                raise CannotRetire(f"{self.sealed_by} has no versions that could be retired")
            self._newest()  # it opens, and it is durable: from here on nothing else has to
            try:
                self._file.sealer.retire(self._file.sealed())
            except SealerUnavailable as failure:
                raise KeyringUnusable(f"older copies may still open: {failure}; do it again") from None

    def _renew(self) -> None:
        """From now on seal so that older copies can be told apart, and retired."""
        try:
            if isinstance(self._file.sealer, RetiringSealer):
                self._file.sealer.renew()
        except SealerUnavailable as failure:
            raise KeyringUnusable(f"{self._file.path} cannot be sealed anew: {failure}") from None

    def _newest(self) -> Content:
        """What is in the file now, for whoever holds its lock."""
        content, stamp = self._file.read()
        if content.root != self._root:
            raise KeyringUnusable(f"{self._file.path} is another keyring now")
        self._keep(content.epochs, stamp)
        return content

    def _write(self, content: Content, epochs: Mapping[int, bytes]) -> None:
        self._file.write(replace(content, epochs=epochs))
        self._keep(epochs, self._file.stamp())

    def _refresh(self) -> None:
        """Read the file again if it is another than the one read last. Raises ProviderUnreachable."""
        stamp = self._file.stamp()
        if stamp is None or stamp == self._stamp:  # a file that is gone takes nothing back
            return
        if self._file.sealer is None:
            self._adopt(self._file.read)
            return
        patience = 0.0
        if self._reading is None:
            if time.monotonic() < self._not_before:
                raise ProviderUnreachable("the keyring has changed, and could not be read a moment ago")
            self._reading, patience = _aside(self._file.read), PATIENCE_SECONDS
        reading = self._reading
        try:
            self._adopt(lambda: reading.result(patience))
        finally:
            if reading.done():
                self._reading = None

    def _adopt(self, read: Callable[[], tuple[Content, Stamp]]) -> None:
        try:
            content, stamp = read()
        except TimeoutError:
            raise ProviderUnreachable("the keyring has changed, and is still being unsealed") from None
        except KeyringUnusable as failure:
            self._not_before = time.monotonic() + RETRY_SECONDS
            raise ProviderUnreachable(str(failure)) from None
        if content.root != self._root or max(content.epochs) < self._current:
            raise ProviderUnreachable("the keyring was replaced by another, or by an older one")
        self._keep(content.epochs, stamp)


def _aside(read: Callable[[], T]) -> "Future[T]":
    """`read`, on a thread that nobody waits for at the end of the process."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(read())
        except BaseException as failure:
            future.set_exception(failure)

    threading.Thread(target=run, name="keyring", daemon=True).start()
    return future
