"""HPKE's base mode written from RFC 9180 and for tests only: the other side of what the product seals.

Of the suite DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-GCM, with 128 or 256 bits. The RFC's own vectors are in
`tests/unit/test_crypto_parcel.py`.
"""

import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

AES_128, AES_256 = 0x0001, 0x0002
_KEM = b"KEM" + (0x0020).to_bytes(2, "big")


def open_all(enc: bytes, private: bytes, info: bytes, sealed: list[tuple[bytes, bytes]], aead: int) -> list[bytes]:
    """What (ciphertext, aad) pairs of one context open to, in the order of their sequence numbers."""
    key = X25519PrivateKey.from_private_bytes(private)
    public = key.public_key().public_bytes_raw()
    shared = _shared(key.exchange(X25519PublicKey.from_public_bytes(enc)), enc + public)
    suite = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (0x0020, 0x0001, aead))
    context = b"\0" + _extract(suite, b"", b"psk_id_hash", b"") + _extract(suite, b"", b"info_hash", info)
    secret = _extract(suite, shared, b"secret", b"")
    cipher = AESGCM(_expand(suite, secret, b"key", context, 16 if aead == AES_128 else 32))
    base = int.from_bytes(_expand(suite, secret, b"base_nonce", context, 12), "big")
    return [cipher.decrypt((base ^ number).to_bytes(12, "big"), data, aad) for number, (data, aad) in enumerate(sealed)]


def _shared(exchanged: bytes, context: bytes) -> bytes:
    return _expand(_KEM, _extract(_KEM, b"", b"eae_prk", exchanged), b"shared_secret", context, 32)


def _extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + material, "sha256")


def _expand(suite: bytes, secret: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    made, block = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(secret, block + labelled + bytes((counter,)), "sha256")
        made += block
    return made[:length]
