"""Blind indexes and request MACs: what is one identifier, what is two, and bytes that never change."""

import hashlib
import hmac
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentledger.crypto.blind import blind_index, normalise, request_mac

PEPPER = bytes(range(32))


@pytest.mark.parametrize(
    "written",
    ["ada@example.org", "Ada@Example.ORG", "  ada@example.org\n", "\u00a0ADA@EXAMPLE.ORG "],
)
def test_an_email_address_is_one_however_it_is_written(written: str) -> None:
    assert blind_index(PEPPER, "email", written) == blind_index(PEPPER, "email", "ada@example.org")


@pytest.mark.parametrize("other", ["a.da@example.org", "ada+x@example.org", "adа@example.org", "ada@example.com"])
def test_different_addresses_stay_different(other: str) -> None:
    assert blind_index(PEPPER, "email", other) != blind_index(PEPPER, "email", "ada@example.org")


def test_other_namespaces_keep_case_and_spaces() -> None:
    assert len({blind_index(PEPPER, "crm", written) for written in ("A1", "a1", " a1", "a1 ")}) == 4


def test_composed_and_decomposed_letters_are_one() -> None:
    for namespace in ("email", "crm"):
        composed, decomposed = "zo\u00eb", "zoe\u0308"
        assert blind_index(PEPPER, namespace, composed) == blind_index(PEPPER, namespace, decomposed)


@given(st.text(max_size=50), st.text(max_size=50))
def test_normalising_twice_changes_nothing(namespace: str, id: str) -> None:
    for name in (namespace, "email"):
        once = normalise(name, id)
        assert normalise(*once) == once
        assert unicodedata.is_normalized("NFC", once[1])


@given(st.tuples(st.text(max_size=9), st.text(max_size=9)), st.tuples(st.text(max_size=9), st.text(max_size=9)))
def test_two_identifiers_have_one_index_only_if_they_are_one(one: tuple[str, str], other: tuple[str, str]) -> None:
    try:
        same = blind_index(PEPPER, *one) == blind_index(PEPPER, *other)
    except UnicodeEncodeError:
        return
    assert same == (normalise(*one) == normalise(*other))


def test_the_pepper_decides() -> None:
    assert blind_index(b"x" * 32, "email", "ada@example.org") != blind_index(b"y" * 32, "email", "ada@example.org")


def test_the_blind_index_is_the_hmac_of_length_prefixed_parts() -> None:
    message = b"\0\0\0\x05email\0\0\0\x0fada@example.org"
    expected = hmac.new(PEPPER, message, hashlib.sha256).hexdigest()
    assert expected == "5d15d092984bb1a49824e5a7f478c05b77eb01ce9710be4ac7b1895d911506bc"
    assert blind_index(PEPPER, "email", " Ada@example.org").hex() == expected


def test_the_request_mac_binds_key_method_and_message() -> None:
    expected = hmac.new(PEPPER, b"\0\0\0\x0dRecordConsent" + b"message", hashlib.sha256).hexdigest()
    assert expected == "e7376475ac5bd3229ef39a60c40cc6fff4b4348a64bf370d481758065e3a7fac"
    assert request_mac(PEPPER, "RecordConsent", b"message").hex() == expected
    others = {
        request_mac(b"x" * 32, "RecordConsent", b"message"),
        request_mac(PEPPER, "RecordConsen", b"tmessage"),
        request_mac(PEPPER, "RecordConsent", b"messagf"),
    }
    assert len(others) == 3 and bytes.fromhex(expected) not in others
