"""Sealing by a cloud KMS, through Tink (the extras `aws-kms` and `gcp-kms`).

- Tink's envelope: a fresh AES-256-GCM key seals the document and the KMS seals that key, so that no KMS's limit on
  size matters. `aad` is bound by the inner seal; Tink gives the KMS none.
- Credentials are those of the cloud's own library: its environment, its files, the machine's role.
- There is no `retire`: Tink cannot destroy versions. That is done at the KMS itself, see docs/runbooks/keys.md.
- `aws-kms://arn:aws:kms:…` and `gcp-kms://projects/…` are known; any other URI goes to the client that was registered
  with Tink for it.
"""

from typing import Any

from consentledger.crypto.sealer import CannotUnseal, SealerUnavailable

TIMEOUT_SECONDS = 5
ABOUT_THE_SEAL = ("InvalidCiphertextException", "IncorrectKeyException", "InvalidArgument")
"""What AWS and GCP answer when what was sealed is not theirs or was changed. All else is about us or about them."""


class _Remote:
    """The KMS as Tink's envelope calls it (`tink.aead.Aead`), with its failures told apart."""

    def __init__(self, aead: Any) -> None:
        self._aead = aead

    def encrypt(self, plain: bytes, aad: bytes) -> bytes:
        try:
            return bytes(self._aead.encrypt(plain, aad))
        except Exception as error:  # each cloud's library has errors of its own
            raise SealerUnavailable(f"the KMS cannot be used: {_kind(error)}") from None

    def decrypt(self, sealed: bytes, aad: bytes) -> bytes:
        try:
            return bytes(self._aead.decrypt(sealed, aad))
        except Exception as error:
            if _kind(error) in (*ABOUT_THE_SEAL, "TinkError"):
                raise CannotUnseal("the KMS does not open it: another key, changed content, or a retired one") from None
            raise SealerUnavailable(f"the KMS cannot be used: {_kind(error)}") from None


class KmsSealer:
    """See the module's rules and `sealer.Sealer`."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    @property
    def name(self) -> str:
        return f"tink:{self._uri}"

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        return bytes(self._envelope().encrypt(plain, aad))

    def unseal(self, sealed: bytes, aad: bytes) -> bytes:
        envelope = self._envelope()
        try:
            return bytes(envelope.decrypt(sealed, aad))
        except (CannotUnseal, SealerUnavailable):
            raise
        except Exception:  # Tink's own part needs nobody else: what it refuses was changed
            raise CannotUnseal("the content was changed, or is another's") from None

    def _envelope(self) -> Any:
        try:
            from tink import aead

            aead.register()
            remote = _Remote(_client(self._uri).get_aead(self._uri))
            return aead.KmsEnvelopeAead(aead.aead_key_templates.AES256_GCM, remote)
        except ImportError:
            cloud = self._uri.partition(":")[0]
            extra = cloud if cloud in ("aws-kms", "gcp-kms") else "aws-kms"
            raise SealerUnavailable(f"this KMS needs an extra: pip install 'consentledger[{extra}]'") from None
        except Exception as error:
            raise SealerUnavailable(f"the KMS cannot be used: {_kind(error)}") from None


def _client(uri: str) -> Any:
    if uri.startswith("aws-kms://"):
        import boto3
        from botocore.config import Config
        from tink.integration import awskms

        # Tink's own client waits minutes for a KMS that does not answer.
        patience = Config(
            connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS, retries={"total_max_attempts": 2}
        )
        region = (uri.split(":") + [""] * 4)[4]
        return awskms.new_client(boto3_client=boto3.client("kms", region_name=region or None, config=patience))
    if uri.startswith("gcp-kms://"):
        from tink.integration import gcpkms

        return gcpkms.GcpKmsClient(uri)
    import tink

    return tink.kms_client_from_uri(uri)


def _kind(error: BaseException) -> str:
    """The name of what a cloud's library or, wrapped by Tink, its service answered. Never its text."""
    inner = error.args[0] if error.args and isinstance(error.args[0], BaseException) else error
    answer = getattr(inner, "response", None)
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    return code if isinstance(code, str) and code.isalnum() else type(inner).__name__
