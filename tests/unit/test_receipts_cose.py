"""A COSE receipt, read by another CBOR library, verified from the leaf alone, as RFC 9942 says to."""

import hashlib
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from consentledger.errors import LedgerError
from consentledger.receipts.cbor import Tag, encode
from consentledger.receipts.cose import cose_receipt
from tests.golden.documents import GRANT, TREE, golden_source
from tests.golden.leaves import stored
from tests.support.receipts import receipt_of

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
KEY_ID = b"receipts-2026"
SCALARS = st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=300) | st.text(max_size=300) | st.none()
VALUES: Any = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.integers(-99, 9999), inner)
)


def root_of(leaf: bytes, size: int, index: int, path: list[bytes]) -> bytes:
    """RFC 9162, 2.1.3.2, in the form that splits from the top; independent of our verifier."""
    if size == 1:
        assert not path
        return hashlib.sha256(b"\x00" + leaf).digest()
    k = 1
    while 2 * k < size:
        k *= 2
    *below, other = path
    if index < k:
        return hashlib.sha256(b"\x01" + root_of(leaf, k, index, below) + other).digest()
    return hashlib.sha256(b"\x01" + other + root_of(leaf, size - k, index - k, below)).digest()


def verified(receipt: bytes, leaf: bytes) -> dict[Any, Any]:
    """The protected header, once everything else was checked."""
    message = cbor2.loads(receipt)
    assert isinstance(message, cbor2.CBORTag) and message.tag == 18
    protected, unprotected, payload, signature = message.value
    assert payload is None
    [proof] = unprotected[396][-1]
    size, index, path = cbor2.loads(proof)
    root = root_of(leaf, size, index, list(path))
    KEY.public_key().verify(signature, cbor2.dumps(["Signature1", protected, b"", root]))
    assert (size, index) == (TREE, GRANT - 1)
    header: dict[Any, Any] = cbor2.loads(protected)
    return header


def test_the_receipt_verifies_from_the_leaf_alone() -> None:
    source = golden_source(GRANT)
    header = verified(cose_receipt(source.receipt, KEY_ID, KEY.sign), source.receipt.leaf)
    assert header == {1: -8, 4: KEY_ID, 395: 1}


@pytest.mark.parametrize("size", [2, 3, 7, 8, TREE])
def test_every_position_of_every_shape_of_tree_verifies(size: int) -> None:
    leaves = [entry.leaf for entry in stored("consent")[0]][:size]
    for position in range(1, size + 1):
        message = cbor2.loads(cose_receipt(receipt_of(leaves, position), KEY_ID, KEY.sign))
        protected, unprotected, _, signature = message.value
        found_size, index, path = cbor2.loads(unprotected[396][-1][0])
        root = root_of(leaves[position - 1], found_size, index, list(path))
        KEY.public_key().verify(signature, cbor2.dumps(["Signature1", protected, b"", root]))


def test_another_leaf_does_not_verify() -> None:
    receipt = cose_receipt(golden_source(GRANT).receipt, KEY_ID, KEY.sign)
    with pytest.raises(InvalidSignature):
        verified(receipt, golden_source(GRANT).receipt.leaf + b"x")


@pytest.mark.parametrize("sign", [lambda _: b"", lambda _: bytes(63)])
def test_a_signature_that_is_none_is_refused(sign: Callable[[bytes], bytes]) -> None:
    with pytest.raises(LedgerError):
        cose_receipt(golden_source(GRANT).receipt, KEY_ID, sign)


def test_a_tree_of_one_leaf_has_no_receipt_and_nothing_is_signed() -> None:
    signed: list[bytes] = []
    with pytest.raises(LedgerError):
        cose_receipt(receipt_of([b"only"], 1), KEY_ID, lambda data: signed.append(data) or bytes(64))
    assert signed == []


def test_a_proof_that_does_not_hold_is_never_signed() -> None:
    spoiled = golden_source(GRANT).receipt
    spoiled.leaf += b"x"
    with pytest.raises(LedgerError):
        cose_receipt(spoiled, KEY_ID, lambda _: pytest.fail("signed"))


@given(VALUES)
def test_what_is_written_is_read_back_by_another_library(value: Any) -> None:
    assert cbor2.loads(encode(value)) == value


@given(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=5)))
def test_without_maps_it_is_the_other_librarys_own_form(value: Any) -> None:
    assert encode(value) == cbor2.dumps(value, canonical=True)


@given(st.dictionaries(st.integers(-70_000, 70_000), st.just(0)))
def test_keys_of_a_map_are_in_the_order_of_their_bytes(value: dict[int, int]) -> None:
    keys = [cbor2.dumps(key) for key in cbor2.loads(encode(value))]
    assert keys == sorted(keys)


@pytest.mark.parametrize("value", [True, 1.5, {1, 2}, 2**64, -(2**64) - 1])
def test_what_no_receipt_holds_is_not_written(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode([value])


def test_a_tag_is_written() -> None:
    assert encode(Tag(18, [1])) == cbor2.dumps(cbor2.CBORTag(18, [1]))
