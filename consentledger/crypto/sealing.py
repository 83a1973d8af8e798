"""From a setting to a sealer.

- nothing, or `plain`: none, the keyring lies in its file as it is
- `passphrase-file:/path`: see `passphrase`
- `vault:transit/consentledger`: mount and key of Vault's or OpenBao's transit engine, see `vault`
- `tink:aws-kms://arn:aws:kms:…`, `tink:gcp-kms://projects/…`: a cloud KMS, see `kms`
"""

from pathlib import Path

from consentledger.crypto.keyring_file import KeyringUnusable
from consentledger.crypto.kms import KmsSealer
from consentledger.crypto.passphrase import PassphraseSealer
from consentledger.crypto.sealer import Sealer
from consentledger.crypto.vault import VaultSealer
from consentledger.settings import VaultSettings

PLAIN = "plain"


class NoSuchSealer(KeyringUnusable):
    """A setting that names no sealer. The text does not repeat it: it may be a passphrase in the wrong place."""


def sealer_named(setting: str, vault: VaultSettings) -> Sealer | None:
    """The sealer, or None for none. Asks nobody yet. Raises NoSuchSealer."""
    kind, _, rest = setting.partition(":")
    if setting in ("", PLAIN):
        return None
    if kind == "passphrase-file" and rest:
        return PassphraseSealer(Path(rest))
    if kind == "vault":
        mount, _, key = rest.rpartition("/")
        if mount and key:
            return VaultSealer(mount, key, vault)
    if kind == "tink" and "://" in rest:
        return KmsSealer(rest)
    raise NoSuchSealer("a sealer is plain, passphrase-file:PATH, vault:MOUNT/KEY or tink:URI")
