"""Parcels: opened by whom they are sealed to and nobody else, whole or not at all, also by another implementation."""

import base64
import io
from collections.abc import Callable

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from consentledger.crypto import parcel, parcelkey
from consentledger.crypto.parcel import MAGIC, PIECE, CannotUnpack, NotAKey, Parcel, unpack
from consentledger.crypto.parcelkey import NotAKeyFile
from tests.support import rfc9180

# RFC 9180, Appendix A.1.1: base mode, X25519, HKDF-SHA256, AES-128-GCM. The RFC has none with AES-256-GCM.
INFO = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
SK_R = bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
ENC = bytes.fromhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
PLAIN = bytes.fromhex("4265617574792069732074727574682c20747275746820626561757479")
SEALED = [
    ("f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a", b"Count-0"),
    ("af2d7e9ac9ae7e270f46ba1f975be53c09f8d875bdc8535458c2494e8a6eab251c03d0c22a56b8ca42c2063b84", b"Count-1"),
    ("498dfcabd92e8acedc281e85af1cb4e3e31c7dc394a1ca20e173cb72516491588d96a19ad4a683518973dcc180", b"Count-2"),
]
KEY = X25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw()
SIZES = (0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE)


def content(size: int) -> bytes:
    return bytes(range(251)) * (size // 251) + bytes(size % 251)


def packed(data: bytes, step: int = PIECE // 3) -> bytes:
    made = Parcel(PUBLIC)
    pieces = [piece for at in range(0, len(data), step) for piece in made.seal(data[at : at + step])]
    return b"".join([made.head, *pieces, made.end()])


def unpacked(sealed: bytes, key: X25519PrivateKey = KEY) -> bytes:
    return b"".join(unpack(io.BytesIO(sealed), key))


def test_the_other_implementation_opens_the_vectors_of_the_rfc() -> None:
    sealed = [(bytes.fromhex(data), aad) for data, aad in SEALED]
    assert rfc9180.open_all(ENC, SK_R, INFO, sealed, rfc9180.AES_128) == [PLAIN] * 3
    with pytest.raises(InvalidTag):
        rfc9180.open_all(ENC, SK_R, INFO + b".", sealed, rfc9180.AES_128)


def test_the_library_agrees_with_the_other_implementation() -> None:
    made = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_128_GCM).encrypt(PLAIN, KEY.public_key(), INFO)
    opened = rfc9180.open_all(made[:32], KEY.private_bytes_raw(), INFO, [(made[32:], b"")], rfc9180.AES_128)
    assert opened == [PLAIN]


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_comes_back(size: int) -> None:
    assert unpacked(packed(content(size))) == content(size)


def test_it_does_not_matter_in_which_portions_it_is_given() -> None:
    for step in (PIECE // 2, PIECE, 2 * PIECE + 1):
        assert unpacked(packed(content(2 * PIECE + 5), step)) == content(2 * PIECE + 5)


def test_the_format_is_the_documented_one() -> None:
    """By hand, with the other HPKE: magic, wrapped file key, pieces of 1 MiB with a counter and a mark on the last."""
    data = content(2 * PIECE + 9)
    sealed = packed(data)
    assert sealed[:24] == MAGIC == b"consentledger-parcel-v1\n"
    private = KEY.private_bytes_raw()
    [file_key] = rfc9180.open_all(sealed[24:56], private, MAGIC, [(sealed[56:104], b"")], rfc9180.AES_256)
    at, found = 104, b""
    for number in range(3):
        piece = sealed[at : at + PIECE + 16]
        nonce = number.to_bytes(11, "big") + (b"\1" if number == 2 else b"\0")
        found += AESGCM(file_key).decrypt(nonce, piece, None)
        at += len(piece)
    assert found == data and at == len(sealed)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(CannotUnpack):
        unpacked(packed(b"for ada"), X25519PrivateKey.generate())


def test_no_two_parcels_are_alike() -> None:
    assert packed(b"the same") != packed(b"the same")


FULL = PIECE + 16
HEAD = 104
CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda sealed: b"",
    "only the head": lambda sealed: sealed[:HEAD],
    "cut in the head": lambda sealed: sealed[: HEAD - 1],
    "cut between pieces": lambda sealed: sealed[: HEAD + FULL],
    "cut in a piece": lambda sealed: sealed[:-1],
    "the last piece missing": lambda sealed: sealed[: HEAD + 2 * FULL],
    "the first piece missing": lambda sealed: sealed[:HEAD] + sealed[HEAD + FULL :],
    "a piece twice": lambda sealed: sealed[: HEAD + FULL] + sealed[HEAD:],
    "pieces exchanged": lambda sealed: (
        sealed[:HEAD] + sealed[HEAD + FULL : HEAD + 2 * FULL] + sealed[HEAD : HEAD + FULL] + sealed[HEAD + 2 * FULL :]
    ),
    "something added": lambda sealed: sealed + b"\0",
    "a whole piece added": lambda sealed: sealed + sealed[-(9 + 16) :],
    "another's pieces": lambda sealed: sealed[:HEAD] + packed(content(2 * PIECE + 9))[HEAD:],
    "another's head": lambda sealed: packed(b"")[:HEAD] + sealed[HEAD:],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_parcel_that_is_not_whole_does_not_open(change: str) -> None:
    sealed = packed(content(2 * PIECE + 9))
    assert unpacked(sealed) == content(2 * PIECE + 9)
    with pytest.raises(CannotUnpack):
        unpacked(CHANGES[change](sealed))


def test_a_change_of_any_bit_is_found() -> None:
    sealed = packed(b"x")
    for at in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(CannotUnpack):
            unpacked(bytes(changed))


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33), bytes(32), b"\1" + bytes(31)])
def test_what_is_no_key_is_refused(key: bytes) -> None:
    with pytest.raises(NotAKey):
        Parcel(key)


def test_a_pair_of_key_files_fits() -> None:
    private, public = parcelkey.new_key()
    made = Parcel(parcelkey.public_key(public))
    assert unpacked(made.head + made.end(), parcelkey.private_key(private)) == b""
    assert parcel.MAGIC not in private + public


def test_key_files_are_those_of_rfc_8410() -> None:
    private, public = (body(pem) for pem in parcelkey.new_key())
    assert private[:16].hex() == "302e020100300506032b656e04220420" and len(private) == 48
    assert public[:12].hex() == "302a300506032b656e032100"
    assert X25519PrivateKey.from_private_bytes(private[16:]).public_key().public_bytes_raw() == public[12:]


def body(pem: bytes) -> bytes:
    return base64.b64decode(b"".join(pem.splitlines()[1:-1]))


def test_other_files_are_no_keys() -> None:
    private, public = parcelkey.new_key()
    ed25519 = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for data in (b"", b"no key", public, private[:40], ed25519):
        with pytest.raises(NotAKeyFile):
            parcelkey.private_key(data)
    for data in (b"", b"no key", private, public[:40]):
        with pytest.raises(NotAKeyFile):
            parcelkey.public_key(data)
