"""One of each kind of sealer, with what its contract needs: the same key again, another key, nobody there.

`vault` runs on a real server when the environment names one, see `vault`; `aws-kms` on a local service, through Tink
and boto3; `tink` on a key that Tink itself holds, registered as a KMS. GCP's client is not run: nothing local answers
it.
"""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import tink
from tink import aead

from consentledger.crypto import passphrase
from consentledger.crypto.kms import KmsSealer
from consentledger.crypto.passphrase import PassphraseSealer
from consentledger.crypto.sealer import Sealer
from consentledger.crypto.vault import VaultSealer
from consentledger.settings import VaultSettings
from tests.support import aws_kms
from tests.support import vault as vaults

KINDS = ["passphrase", "vault", "aws-kms", "tink"]
NOBODY = "http://127.0.0.1:9"
"""The port of `discard`, where nothing listens."""


class LocalKms(tink.KmsClient):
    """A KMS in this process, on keys that Tink made."""

    keys: ClassVar[dict[str, aead.Aead]] = {}

    @classmethod
    def make(cls) -> str:
        """A new key; its URI."""
        if not cls.keys:
            aead.register()
            tink.register_kms_client(cls())
        uri = f"local-kms://{len(cls.keys)}"
        cls.keys[uri] = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM).primitive(aead.Aead)
        return uri

    def does_support(self, key_uri: str) -> bool:
        return key_uri in self.keys

    def get_aead(self, key_uri: str) -> aead.Aead:
        return self.keys[key_uri]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of sealer."""

    make: Callable[[], Sealer]
    """The sealer, as a process that starts makes it: always of the same key."""
    other: Sealer
    """Of another key."""
    unreachable: Sealer
    secret: str
    """What no error may hold."""
    retires: bool = False


@contextlib.contextmanager
def kind(name: str, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Kind]:
    """The kind of that name."""
    with contextlib.ExitStack() as stack:
        if name == "passphrase":
            patch.setattr(passphrase, "HEAD", bytes((1, 10, 8, 1)))  # the usual cost takes half a second each
            files = [folder / "one", folder / "other", folder / "none"]
            for file in files[:2]:
                write_passphrase(file, secrets.token_hex(16))
            yield Kind(
                lambda: PassphraseSealer(files[0]),
                PassphraseSealer(files[1]),
                PassphraseSealer(files[2]),
                files[0].read_text(),
            )
        elif name == "vault":
            settings = vaults.real()
            keys = [f"test-{secrets.token_hex(6)}" for _ in range(2)]
            if settings is None:
                engine = stack.enter_context(vaults.transit())
                settings = engine.settings
                for key in keys:
                    engine.make(key)
            else:
                _make_keys(settings, keys)
            at = settings
            yield Kind(
                lambda: VaultSealer("transit", keys[0], at),
                VaultSealer("transit", keys[1], at),
                VaultSealer("transit", keys[0], replace(at, address=NOBODY)),
                at.token,
                retires=True,
            )
        elif name == "aws-kms":
            service = stack.enter_context(aws_kms.kms())
            secret = secrets.token_hex(16)
            for variable, value in {
                "AWS_ENDPOINT_URL_KMS": service.address, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": secret,
            }.items():  # fmt: skip
                patch.setenv(variable, value)
            one = service.make()
            yield Kind(lambda: KmsSealer(one), KmsSealer(service.make()), KmsSealer(f"{one}0"), secret)
        else:
            one = LocalKms.make()
            yield Kind(
                lambda: KmsSealer(one),
                KmsSealer(LocalKms.make()),
                KmsSealer("no-kms://there"),
                "no-kms",
            )


def write_passphrase(file: Path, text: str) -> None:
    """A passphrase's file as it must be."""
    file.touch(0o600)
    file.write_text(f"{text}\n")


def _make_keys(settings: VaultSettings, names: list[str]) -> None:
    import hvac

    client = hvac.Client(url=settings.address, token=settings.token)
    for name in names:
        client.secrets.transit.create_key(name=name)
