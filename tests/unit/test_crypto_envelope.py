"""Sealing: what comes back, what is refused, and the bytes that must stay the same for ever."""

import hashlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from consentledger.crypto.envelope import CannotOpen, DataKey, commit, event_aad
from consentledger.v1.events_pb2 import SealedPayload

KEY = DataKey(bytes(range(32)))
names = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=63)


@given(payload=st.binary(max_size=2_000), aad=st.binary(max_size=200))
def test_what_is_sealed_opens_under_the_same_key_aad_and_commitment(payload: bytes, aad: bytes) -> None:
    sealed = KEY.seal(payload, aad)
    assert KEY.open(sealed.ciphertext, sealed.commitment, aad) == payload
    assert sealed.ciphertext_sha256 == hashlib.sha256(sealed.ciphertext).digest()
    assert len(sealed.commitment) == 32


@given(payload=st.binary(max_size=100), place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_any_changed_bit_is_refused(payload: bytes, place: int, bit: int) -> None:
    sealed = KEY.seal(payload, b"aad")
    changed = bytearray(sealed.ciphertext)
    changed[place % len(changed)] ^= 1 << bit
    with pytest.raises(CannotOpen):
        KEY.open(bytes(changed), sealed.commitment, b"aad")
    commitment = bytearray(sealed.commitment)
    commitment[place % 32] ^= 1 << bit
    with pytest.raises(CannotOpen):
        KEY.open(sealed.ciphertext, bytes(commitment), b"aad")


@given(cut=st.integers(0, 60))
def test_a_shortened_ciphertext_is_refused(cut: int) -> None:
    sealed = KEY.seal(b"payload", b"aad")
    with pytest.raises(CannotOpen):
        KEY.open(sealed.ciphertext[:cut], sealed.commitment, b"aad")


def test_another_key_or_another_event_is_refused() -> None:
    sealed = KEY.seal(b"payload", b"aad")
    with pytest.raises(CannotOpen):
        DataKey(b"x" * 32).open(sealed.ciphertext, sealed.commitment, b"aad")
    with pytest.raises(CannotOpen):
        KEY.open(sealed.ciphertext, sealed.commitment, b"aae")


def test_sealing_twice_gives_nothing_in_common() -> None:
    one, two = KEY.seal(b"payload", b"aad"), KEY.seal(b"payload", b"aad")
    assert one.commitment != two.commitment
    assert one.ciphertext[1:13] != two.ciphertext[1:13]


def test_a_second_payload_under_the_same_commitment_is_refused() -> None:
    # Someone who holds the key seals another payload and keeps the old leaf.
    old, new = KEY.seal(b"no", b"aad"), KEY.seal(b"yes", b"aad")
    with pytest.raises(CannotOpen, match="committed"):
        KEY.open(new.ciphertext, old.commitment, b"aad")


@pytest.mark.parametrize("inner", [b"", b"\xff\xff", SealedPayload(salt=b"short", payload=b"p").SerializeToString()])
def test_a_ciphertext_without_a_proper_salt_is_refused(inner: bytes) -> None:
    ciphertext = b"\x01" + b"n" * 12 + AESGCM(bytes(range(32))).encrypt(b"n" * 12, inner, b"aad")
    with pytest.raises(CannotOpen):
        KEY.open(ciphertext, commit(b"short", b"p", b"aad"), b"aad")


def test_the_payload_cannot_lend_bytes_to_the_aad() -> None:
    assert commit(b"s" * 32, b"ab", b"c") != commit(b"s" * 32, b"a", b"bc")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_data_key_is_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        DataKey(b"x" * length)


@given(st.lists(st.tuples(names, st.binary(min_size=16, max_size=16), st.integers(0, 2**63 - 1), names), min_size=2))
def test_the_aad_of_different_events_differs(events: list[tuple[str, bytes, int, str]]) -> None:
    assert len({event_aad(*event) for event in events}) == len(set(events))


def test_the_formats_on_disk_never_change() -> None:
    aad = event_aad("acme", bytes(range(16)), 7, "CONSENT_GRANTED")
    assert aad == (
        b"consentledger.v1.event\0" + b"\x04acme" + bytes(range(16)) + b"\0\0\0\0\0\0\0\x07" + b"\x0fCONSENT_GRANTED"
    )
    assert (
        commit(b"\x11" * 32, b"payload", aad).hex()
        == "b8d221dcd5ccad170fdb9be7d7a240645c6c5887ab7ecda027d0edbce9b2c7f8"
    )
    ciphertext = bytes.fromhex(
        "0122222222222222222222222277342fd77fe18b0b968c9ebb9ee8f36cd777761c0a95c4"
        "a6b7e335bb99b8a07adccd0a216c1adb3dd253f259aba1ef9cefbabe409d0fbac90e9149"
    )
    assert KEY.open(ciphertext, commit(b"\x11" * 32, b"payload", aad), aad) == b"payload"
