"""The keys that parcels are sealed to, as PEM files (RFC 7468): PKCS #8 and SubjectPublicKeyInfo, as OpenSSL has them.

Made there: `openssl genpkey -algorithm x25519 -out ada.key`, `openssl pkey -in ada.key -pubout -out ada.key.pub`.
"""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)


class NotAKeyFile(ValueError):
    """Not an X25519 key of the kind asked for. Says nothing of the content."""


def new_key() -> tuple[bytes, bytes]:
    """(private, public), as PEM."""
    key = X25519PrivateKey.generate()
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


def public_key(pem: bytes) -> bytes:
    """The 32 raw bytes of a public key. Raises NotAKeyFile."""
    try:
        key = load_pem_public_key(pem)
    except _UNREADABLE:
        raise NotAKeyFile("not a public key in PEM") from None
    if not isinstance(key, X25519PublicKey):
        raise NotAKeyFile("not an X25519 key")
    return key.public_bytes_raw()


def private_key(pem: bytes) -> X25519PrivateKey:
    """A private key that no passphrase guards. Raises NotAKeyFile."""
    try:
        key = load_pem_private_key(pem, None)
    except _UNREADABLE:
        raise NotAKeyFile("not a private key in PEM, or one with a passphrase") from None
    if not isinstance(key, X25519PrivateKey):
        raise NotAKeyFile("not an X25519 key")
    return key
