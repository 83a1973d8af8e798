"""What seals a keyring at rest: the contract that a passphrase, Vault and a cloud KMS keep. No implementation here.

- A sealer is asked when a keyring is opened and when it changes, never for each person's key: see
  docs/adr/0011-keyring-sealed-by-a-kms.md.
- Calls block, for some seconds at most; they may use the network.
- Error texts hold neither key material nor what the other side said, which may quote a token.
"""

from typing import Protocol, runtime_checkable


class SealerUnavailable(Exception):
    """The sealer cannot be used now: not installed, not reachable, or it refuses us. Nothing is said about the seal."""


class CannotUnseal(Exception):
    """What was sealed does not open: sealed by another key, bound to another `aad`, changed, or retired."""


class Sealer(Protocol):
    """Seals small documents, a keyring of some kilobytes."""

    @property
    def name(self) -> str:
        """`kind` or `kind:key`, as a setting names it. No secret. The kind is stored beside what is sealed."""

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        """`plain`, readable only through `unseal` with the same `aad`. Raises SealerUnavailable."""

    def unseal(self, sealed: bytes, aad: bytes) -> bytes:
        """What was sealed. Raises CannotUnseal or SealerUnavailable."""


@runtime_checkable
class RetiringSealer(Sealer, Protocol):
    """A sealer whose key has versions, and that can forget the older ones."""

    def renew(self) -> None:
        """Seal with a new version from now on. What was sealed before still opens. Raises SealerUnavailable.

        When it is not known whether that happened, it may be repeated.
        """

    def retire(self, sealed: bytes) -> None:
        """Make everything that was sealed by an older version than `sealed` useless, for ever. Repeatable.

        `sealed` must be stored durably: nothing else that this key ever sealed needs to open. Raises
        SealerUnavailable, and then may be half done: repeat it.
        """
