"""The witness's own key: one line in a file that only its owner may read.

    PRIVATE+KEY+<name>+<key id>+<base64 of 0x04 ‖ seed>

Made once and never overwritten. The seed lies beside what it has signed (see `records`): to lose one without the other
would let the key contradict itself.
"""

import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from consentledger.tlog.cosignature import Cosigner
from consentledger.tlog.keys import SEED_SIZE, NoteError, VerifierKey
from consentledger.tlog.signatures import COSIGNATURE
from consentledger.tlog.spelling import BadSpelling, read_base64, write_base64

FILE = "key"
_START = "PRIVATE+KEY+"


class KeyUnusable(Exception):
    """The key file is missing, malformed, readable by others, or there already."""


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A name and a private key."""

    name: str
    seed: bytes = field(repr=False)
    """32 bytes."""

    @property
    def verifier(self) -> VerifierKey:
        """The public half. Raises NoteError for a name that no key can have."""
        return self.at(0).verifier

    def at(self, time: int) -> Cosigner:
        """The cosigner at that time, seconds since 1970."""
        return Cosigner(self.name, self.seed, time)

    @classmethod
    def create(cls, folder: Path, name: str) -> "WitnessKey":
        """Make one, durably. Raises KeyUnusable, also if there is one already."""
        try:
            key = cls(name, secrets.token_bytes(SEED_SIZE))
            verifier = key.verifier
            line = f"{_START}{name}+{verifier.key_id.hex()}+{write_base64(bytes([COSIGNATURE]) + key.seed)}\n"
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(folder)
            sync_folder(folder.parent)
            return key
        except NoteError as error:
            raise KeyUnusable(str(error)) from None
        except FileExistsError:
            raise KeyUnusable(f"{folder} has a key already") from None
        except OSError as error:
            raise KeyUnusable(f"{folder}: {os.strerror(error.errno or 0)}") from None

    @classmethod
    def open(cls, folder: Path) -> "WitnessKey":
        """Read it. Raises KeyUnusable."""
        path = folder / FILE
        try:
            with open(path, encoding="utf-8") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
                    raise KeyUnusable(f"{path} must be a file that only its owner may read: chmod 600")
                line = file.read(10_000)
        except (OSError, UnicodeDecodeError):
            raise KeyUnusable(f"{path} cannot be read; make a key by `consentledger witness init`") from None
        try:
            name, key_id, material = line.removeprefix(_START).removesuffix("\n").split("+", 2)
            secret = read_base64(material)
            key = cls(name, secret[1:])
            if not line.startswith(_START) or secret[:1] != bytes([COSIGNATURE]):
                raise KeyUnusable(f"{path} is not the key of a witness")
            if key.verifier.key_id.hex() != key_id:
                raise KeyUnusable(f"{path} is not the key of a witness")
            return key
        except (ValueError, BadSpelling, NoteError):
            raise KeyUnusable(f"{path} is not the key of a witness") from None


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
