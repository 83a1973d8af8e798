"""Sealing by the transit engine of HashiCorp Vault or OpenBao, through `hvac` (the extra `vault`).

- The key must be of an AEAD type (`aes256-gcm96`, the default): the engine then binds `associated_data`, and refuses
  other types.
- What is sealed begins with `vault:vN:`, N the key's version; `retire` goes by that.
- A token in a file is read at every call, as an agent renews it. None is ever looked for anywhere else.
- Plain HTTP is for a Vault on this machine.
- Needs of the policy: update on `<mount>/decrypt/<key>` to open; on `encrypt` too for whoever changes the keyring; on
  `keys/<key>/rotate`, `config` and `trim`, and read on `keys/<key>`, for whoever retires.
"""

import base64
import binascii
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from consentledger.crypto.sealer import CannotUnseal, SealerUnavailable
from consentledger.settings import VaultSettings

T = TypeVar("T")

TIMEOUT_SECONDS = 5.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SEALED = re.compile(rb"vault:v([1-9][0-9]{0,8}):[A-Za-z0-9+/]+=*")


class VaultSealer:
    """See the module's rules and `sealer.RetiringSealer`."""

    def __init__(self, mount: str, key: str, settings: VaultSettings) -> None:
        self._mount = mount
        self._key = key
        self._settings = settings

    @property
    def name(self) -> str:
        return f"vault:{self._mount}/{self._key}"

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        answer = self._ask(
            lambda transit: transit.encrypt_data(
                name=self._key, plaintext=_text(plain), associated_data=_text(aad), mount_point=self._mount
            )
        )
        sealed = str(answer["data"]["ciphertext"]).encode()
        if not _SEALED.fullmatch(sealed):
            raise SealerUnavailable("Vault gave an answer that this version does not know")
        return sealed

    def unseal(self, sealed: bytes, aad: bytes) -> bytes:
        if not _SEALED.fullmatch(sealed):
            raise CannotUnseal("not sealed by Vault's transit engine")
        answer = self._ask(
            lambda transit: transit.decrypt_data(
                name=self._key, ciphertext=sealed.decode(), associated_data=_text(aad), mount_point=self._mount
            ),
            refused=CannotUnseal("Vault does not open it: another key, changed content, or a retired version"),
        )
        try:
            return base64.b64decode(answer["data"]["plaintext"], validate=True)
        except binascii.Error:
            raise SealerUnavailable("Vault gave an answer that this version does not know") from None

    def renew(self) -> None:
        self._ask(lambda transit: transit.rotate_key(name=self._key, mount_point=self._mount))

    def retire(self, sealed: bytes) -> None:
        found = _SEALED.fullmatch(sealed)
        if found is None:
            raise SealerUnavailable("not sealed by Vault's transit engine")
        least, where = int(found[1]), {"name": self._key, "mount_point": self._mount}

        def steps(transit: Any) -> None:
            # Encryption first: the engine wants its bound at or above the other. Each step may be repeated.
            transit.update_key_configuration(min_encryption_version=least, **where)
            transit.update_key_configuration(min_decryption_version=least, **where)
            transit.trim_key(min_version=least, **where)

        key = self._ask(lambda transit: transit.read_key(**where))["data"]
        # Set further up already, by us or by somebody else: setting it back would bring older versions to life.
        if max(key.get("min_available_version", 0), key["min_decryption_version"] - 1) < least:
            self._ask(steps)

    def _ask(self, question: Callable[[Any], T], refused: Exception | None = None) -> T:
        """Vault's answer. A 400 is `refused`, when given: the one answer that can be about what was sealed."""
        try:
            import hvac
            from hvac.exceptions import InvalidRequest, VaultError
        except ImportError:
            raise SealerUnavailable("Vault needs an extra: pip install 'consentledger[vault]'") from None
        try:
            client = hvac.Client(
                url=self._address(),
                token=self._token(),
                namespace=self._settings.namespace or None,
                verify=self._settings.ca_file or True,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
            )
            return question(client.secrets.transit)
        except InvalidRequest:
            raise refused or SealerUnavailable("Vault refused: InvalidRequest") from None
        except VaultError as error:
            raise SealerUnavailable(f"Vault refused: {type(error).__name__}") from None
        except OSError as error:  # what requests raises is one
            raise SealerUnavailable(f"Vault cannot be reached: {type(error).__name__}") from None
        except (KeyError, TypeError, ValueError):
            raise SealerUnavailable("Vault gave an answer that this version does not know") from None

    def _address(self) -> str:
        parts = urlsplit(self._settings.address)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise SealerUnavailable("VAULT_ADDR must begin with https://")
        return self._settings.address

    def _token(self) -> str:
        """Never None: hvac would look for one in the environment and in the home folder."""
        if not self._settings.token_file:
            return self._settings.token
        try:
            return Path(self._settings.token_file).read_text("ascii").strip()
        except (OSError, ValueError):
            raise SealerUnavailable("the file with Vault's token cannot be read") from None


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
