"""The secrets of webhooks. They follow from one key: nothing is stored, and a rebuild of the tables loses none.

A secret is named by (tenant, downstream, version): the version of the downstream that made it, which never comes twice.
Never shown but by `shown`, to whoever just made it.
"""

import hmac
import struct
from collections.abc import Iterable

from consentledger.v1 import notifier_service_pb2 as ns
from consentledger.webhook.signing import PrivateKey, SharedSecret, Signer

LABEL = "notifier.webhook-secrets"
"""What the key is derived under."""
_UINT32, _UINT64 = struct.Struct(">I"), struct.Struct(">Q")


class WebhookKeys:
    """All secrets of an installation; `key` is 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def signers(self, tenant: str, downstream: str, versions: Iterable[int]) -> list[Signer]:
        """What signs a message: both kinds, of each of these versions."""
        found: list[Signer] = []
        for version in versions:
            found += [self._shared(tenant, downstream, version), self._pair(tenant, downstream, version)]
        return found

    def shown(self, tenant: str, downstream: str, version: int) -> ns.WebhookSecret:
        """As its receiver is given it."""
        public = self._pair(tenant, downstream, version).public()
        return ns.WebhookSecret(secret=self._shared(tenant, downstream, version).text(), public_key=public.text())

    def _shared(self, tenant: str, downstream: str, version: int) -> SharedSecret:
        return SharedSecret(self._derive(b"v1", tenant, downstream, version))

    def _pair(self, tenant: str, downstream: str, version: int) -> PrivateKey:
        return PrivateKey(self._derive(b"v1a", tenant, downstream, version))

    def _derive(self, kind: bytes, tenant: str, downstream: str, version: int) -> bytes:
        fields = (kind, tenant.encode(), downstream.encode(), _UINT64.pack(version))
        return hmac.digest(self._key, b"".join(_UINT32.pack(len(field)) + field for field in fields), "sha256")
