"""Sealing under a passphrase that is in a file of its own: scrypt, then AES-256-GCM.

    0x01 ‖ log2 N ‖ r ‖ p ‖ salt (16 bytes) ‖ nonce (12 bytes) ‖ AES-256-GCM(key, nonce, plain, head ‖ aad)

where head is everything up to the salt's end. N = 2^17, r = 8, p = 1 (RFC 7914; 128 MiB and about half a second).

- The derived key is kept with its salt, so that a keyring which changed under a running process opens at once.
- The file is one that only its owner may read; a line break at its end does not count.
- There is no `retire`: whoever has an old copy and the passphrase it was sealed with opens it.
"""

import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from consentledger.crypto.sealer import CannotUnseal, SealerUnavailable

HEAD = bytes((1, 17, 8, 1))
"""Format and cost. A file with other ones is not opened: whoever may write it must not choose what that costs us."""
SALT_END = len(HEAD) + 16
NONCE_END = SALT_END + 12
SHORTEST = 12
"""Bytes of the shortest passphrase that is taken."""


class PassphraseSealer:
    """See the module's rules and `sealer.Sealer`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._salt = os.urandom(16)
        self._derived: dict[bytes, AESGCM] = {}

    @property
    def name(self) -> str:
        return "passphrase-file"

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        head, nonce = HEAD + self._salt, os.urandom(12)
        return head + nonce + self._key(self._salt).encrypt(nonce, plain, head + aad)

    def unseal(self, sealed: bytes, aad: bytes) -> bytes:
        if len(sealed) < NONCE_END or not sealed.startswith(HEAD):
            raise CannotUnseal("not sealed by a passphrase in this format")
        salt = sealed[len(HEAD) : SALT_END]
        try:
            plain = self._key(salt).decrypt(sealed[SALT_END:NONCE_END], sealed[NONCE_END:], sealed[:SALT_END] + aad)
        except InvalidTag:
            self._derived.pop(salt, None)  # the passphrase may have been mended meanwhile
            raise CannotUnseal("the passphrase is not the right one, or the content was changed") from None
        self._salt = salt
        return plain

    def _key(self, salt: bytes) -> AESGCM:
        if salt not in self._derived:
            _, cost, block, lanes = HEAD
            derived = Scrypt(salt=salt, length=32, n=1 << cost, r=block, p=lanes).derive(self._passphrase())
            self._derived = {salt: AESGCM(derived)}
        return self._derived[salt]

    def _passphrase(self) -> bytes:
        try:
            with open(self._file, "rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                if not stat.S_ISREG(mode) or mode & 0o077:
                    raise SealerUnavailable("the passphrase must be in a file that only its owner may read: chmod 600")
                passphrase = file.read().rstrip(b"\r\n")
        except OSError as error:
            raise SealerUnavailable(f"the passphrase cannot be read: {os.strerror(error.errno or 0)}") from None
        if len(passphrase) < SHORTEST:
            raise SealerUnavailable(f"the passphrase is shorter than {SHORTEST} bytes")
        return passphrase
