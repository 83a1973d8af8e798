"""What a key provider is: the holder of the epoch keys and of the root secret. No implementation here.

- Person keys are wrapped by the newest *epoch* key. Destroying an old epoch, after re-wrapping the survivors, makes
  every older backup of the key store useless; that is why the epoch is not in the same database.
- The root secret never changes: blind indexes and request MACs made with keys derived from it are stored for years.
"""

from typing import Protocol


class KeyUnavailable(Exception):
    """A wrapped key cannot be opened: its epoch was destroyed, it was changed, or it belongs to another `aad`."""


class ProviderUnreachable(KeyUnavailable):
    """Nothing is lost: the provider cannot be asked at the moment. Ask again."""


class KeyProvider(Protocol):
    """Local and quick: called on the event loop's thread."""

    def wrap(self, key: bytes, aad: bytes) -> bytes:
        """`key` under the current epoch key, bound to `aad`. The epoch's number is part of the answer.

        Raises ProviderUnreachable.
        """

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        """What was wrapped. Raises KeyUnavailable."""

    def derive(self, label: str, length: int = 32) -> bytes:
        """A key of `length` bytes for one use, named by `label`: HKDF-SHA256 (RFC 5869) of the root secret, no salt,
        info = the label in UTF-8. The same label gives the same key for ever."""
