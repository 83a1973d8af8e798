"""Verifier keys: one spelling, and no key whose parts do not belong together."""

import base64
from hashlib import sha256

import pytest

from consentledger.tlog.keys import Ed25519Signer, NoteError, VerifierKey
from consentledger.tlog.signatures import COSIGNATURE, ED25519, MLDSA44
from tests.support.notes import RFC_8032_PUBLIC as PUBLIC
from tests.support.notes import RFC_8032_SEED as SEED
from tests.support.notes import log_signer, quantum_witness, witness


def vkey(name: str, material: bytes, key_id: bytes | None = None) -> str:
    """A verifier key put together by hand, its id right unless given."""
    key_id = sha256(name.encode() + b"\n" + material).digest()[:4] if key_id is None else key_id
    return f"{name}+{key_id.hex()}+{base64.b64encode(material).decode()}"


def test_a_key_of_each_kind_is_written_and_read_back() -> None:
    for signer in (log_signer(), witness("w.example/1"), quantum_witness("w.example/2")):
        key = signer.verifier
        assert VerifierKey.parse(key.vkey()) == key
        assert VerifierKey.of(key.name, key.type, key.public) == key
        assert key.vkey() == vkey(key.name, bytes([key.type]) + key.public)


def test_a_seed_gives_the_public_key_and_id_of_the_standards() -> None:
    key = Ed25519Signer("example.com", SEED).verifier
    assert (key.name, key.type, key.public) == ("example.com", ED25519, PUBLIC)
    assert key.key_id == sha256(b"example.com\n\x01" + PUBLIC).digest()[:4]


def test_the_kind_is_part_of_the_id() -> None:
    assert VerifierKey.of("a", ED25519, PUBLIC).key_id != VerifierKey.of("a", COSIGNATURE, PUBLIC).key_id


def test_plus_signs_in_the_material_are_no_separators() -> None:
    for first in range(256):
        key = VerifierKey.of("a", ED25519, bytes([first]) + b"\xfb\xef\xbe" * 10 + b"\0")
        assert VerifierKey.parse(key.vkey()) == key


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a\u00a0b", "a\u2003", "a\u3000", "a\u0085", "a\u2028", "a+b", "+", "a\n", "a\t", "a\x1f", "\ud800"],
)
def test_a_name_with_spaces_pluses_or_control_characters_is_refused(name: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.of(name, ED25519, PUBLIC)
    with pytest.raises(NoteError):
        Ed25519Signer(name, SEED)
    with pytest.raises(NoteError):
        VerifierKey.parse(f"{name}+00000000+{base64.b64encode(bytes([ED25519]) + PUBLIC).decode()}")


GOOD = vkey("a", b"\x01" + PUBLIC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a+",
        "a++",
        "a+12345678",
        "a+12345678+",
        "+".join(GOOD.split("+")[:2]),
        GOOD + "\n",
        " " + GOOD,
        GOOD + " ",
        GOOD + "=",
        GOOD.replace("a+", "b+", 1),
        GOOD[:2] + GOOD[2:10].upper() + GOOD[10:],
        GOOD[:2] + "0" + GOOD[2:],
        GOOD[:2] + GOOD[3:],
        GOOD[:2] + "+1234567" + GOOD[10:],
        vkey("a", b"\x01" + PUBLIC, b"\0\0\0\0"),
        vkey("a", b""),
        vkey("a", b"\x01"),
        vkey("a", b"\x01" + PUBLIC[:31]),
        vkey("a", b"\x01" + PUBLIC + b"\0"),
        vkey("a", b"\x04" + PUBLIC[:31]),
        vkey("a", b"\x06" + PUBLIC),
        vkey("a", b"\x06" + bytes(1311)),
        vkey("a", b"\x06" + bytes(1313)),
        vkey("a", b"\x01" + bytes(1312)),
        *(vkey("a", bytes([kind]) + PUBLIC) for kind in (0, 2, 3, 5, 7, 0xFA, 0xFF)),
    ],
)
def test_any_other_text_is_no_key(text: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.parse(text)


@pytest.mark.parametrize(("kind", "public"), [(-1, PUBLIC), (256, PUBLIC), (MLDSA44, PUBLIC), (ED25519, b"")])
def test_parts_that_make_no_key_are_refused(kind: int, public: bytes) -> None:
    with pytest.raises(NoteError):
        VerifierKey.of("a", kind, public)
    with pytest.raises(NoteError):
        VerifierKey("a", b"\0\0\0\0", kind, public)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_seed_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(NoteError):
        Ed25519Signer("a", bytes(size))
