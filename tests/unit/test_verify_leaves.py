"""Leaves as the offline verifier reads them, without the generated code: all of ours, in one spelling, no others."""

from typing import Any

import pytest

from consentledger.v1 import events_pb2 as ev
from consentledger_verify.entry import KINDS, BadEntry, LedgerEntry, read_entry
from consentledger_verify.wire import LEN, VARINT, BadMessage, fields, signed, varint
from tests.golden.leaves import built

GOLDEN = [entry for log in built() for entry in log.entries]
LEAF = GOLDEN[7].leaf


def entry(**more: Any) -> ev.LedgerEntry:
    made = ev.LedgerEntry(format=1, tenant="acme", stream=bytes(16), version=1, type="subject.opened.v1")
    made.recorded_at.seconds, made.recorded_at.nanos = 1_767_225_600, 1_000
    made.header.subject_opened.SetInParent()
    for name, value in more.items():
        setattr(made, name, value)
    return made


def spelled(**more: Any) -> bytes:
    return entry(**more).SerializeToString(deterministic=True)


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: f"{golden.position}-{golden.type}")
def test_every_leaf_that_we_write_reads_as_what_it_is(golden: Any) -> None:
    leaf, read = ev.LedgerEntry.FromString(golden.leaf), read_entry(golden.leaf)
    kind = leaf.header.DESCRIPTOR.fields_by_name[leaf.header.WhichOneof("kind") or ""]
    assert read == LedgerEntry(
        tenant=leaf.tenant,
        stream=leaf.stream,
        version=leaf.version,
        type=leaf.type,
        recorded_ns=leaf.recorded_at.ToNanoseconds(),
        kind=kind.number,
        header=getattr(leaf.header, kind.name).SerializeToString(deterministic=True),
        ciphertext_sha256=leaf.ciphertext_sha256,
        commitment=leaf.commitment,
    )
    assert KINDS[read.type] == read.kind, "a type that the verifier does not know yet: add it to KINDS"


def test_every_header_has_a_type() -> None:
    assert set(KINDS.values()) == {field.number for field in ev.EventHeader.DESCRIPTOR.fields}


@pytest.mark.parametrize(
    "leaf",
    [
        pytest.param(b"", id="empty"),
        pytest.param(LEAF[:-1], id="cut off"),
        pytest.param(LEAF + b"\x00", id="something after it"),
        pytest.param(LEAF + b"\x5a\x00", id="an unknown field"),
        pytest.param(b"\x08\x81\x00" + LEAF[2:], id="a number longer than needed"),
        pytest.param(b"\x88\x00\x01" + LEAF[2:], id="a tag longer than needed"),
        pytest.param(LEAF[2:] + LEAF[:2], id="fields in another order"),
        pytest.param(LEAF[:2] + LEAF, id="a field twice"),
        pytest.param(spelled(format=2), id="another format"),
        pytest.param(spelled(format=0), id="no format"),
        pytest.param(spelled(stream=bytes(15)), id="a short stream"),
        pytest.param(spelled(version=0), id="no version"),
        pytest.param(spelled(type=""), id="no type"),
        pytest.param(spelled(type="a b"), id="a type of other letters"),
        pytest.param(spelled(tenant="Acme"), id="a tenant of other letters"),
        pytest.param(spelled(tenant="a" * 64), id="a long tenant"),
        pytest.param(spelled(commitment=bytes(32)), id="a commitment to nothing"),
        pytest.param(spelled(ciphertext_sha256=b"x" * 32), id="a ciphertext without commitment"),
        pytest.param(spelled(ciphertext_sha256=b"x" * 31, commitment=b"x" * 31), id="short hashes"),
        pytest.param(spelled(type="x" * 65), id="a long type"),
    ],
)
def test_any_other_leaf_is_refused(leaf: bytes) -> None:
    with pytest.raises(BadEntry):
        read_entry(leaf)


def test_a_leaf_without_time_or_header_or_with_two_headers_is_refused() -> None:
    without_time, without_header = entry(), entry()
    without_time.ClearField("recorded_at")
    without_header.ClearField("header")
    empty_header = entry()
    empty_header.ClearField("header")
    empty_header.header.SetInParent()
    two = entry().SerializeToString(deterministic=True).replace(b"\x42\x02\x0a\x00", b"\x42\x04\x0a\x00\x0a\x00")
    late = entry()
    late.recorded_at.nanos = 1_000_000_000
    for leaf in (without_time, without_header, empty_header, late):
        with pytest.raises(BadEntry):
            read_entry(leaf.SerializeToString(deterministic=True))
    with pytest.raises(BadEntry):
        read_entry(two)


def test_a_time_that_is_told_must_be_one_and_a_header_must_be_a_message() -> None:
    told = entry()
    told.occurred_at.nanos = 1_000_000_000
    with pytest.raises(BadEntry):
        read_entry(told.SerializeToString(deterministic=True))
    number = spelled().replace(b"\x42\x02\x0a\x00", b"\x42\x02\x08\x00")
    assert number != spelled()
    with pytest.raises(BadEntry):
        read_entry(number)


def test_a_leaf_is_at_most_64_kib() -> None:
    padded = entry()
    padded.header.notice_published.notice.text = "x" * 65_400
    assert len(read_entry(padded.SerializeToString(deterministic=True)).header) > 65_400
    padded.header.notice_published.notice.text += "x" * (65_535 - len(padded.SerializeToString()))
    assert len(padded.SerializeToString()) == 65_535 and read_entry(padded.SerializeToString(deterministic=True))
    padded.header.notice_published.notice.text += "x"
    with pytest.raises(BadEntry, match="65535"):
        read_entry(padded.SerializeToString(deterministic=True))


def test_times_before_1970_and_its_first_moment_are_times() -> None:
    first = entry()
    first.recorded_at.Clear()
    first.occurred_at.SetInParent()
    assert read_entry(first.SerializeToString(deterministic=True)).recorded_ns == 0
    made = entry()
    made.recorded_at.seconds, made.recorded_at.nanos = -1, 999_999_000
    assert read_entry(made.SerializeToString(deterministic=True)).recorded_ns == -1_000


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**32, 2**63 - 1, 2**64 - 1])
def test_numbers_are_read_in_their_one_spelling(number: int) -> None:
    data = ev.LedgerEntry(version=number).SerializeToString()[1:] or b"\x00"
    assert varint(data, 0) == (number, len(data))
    longer = data[:-1] + bytes([data[-1] | 0x80]) + b"\x00"
    for wrong in (longer, data[:-1], b"\xff" * 10, b"\xff" * 9 + b"\x02", b""):
        if wrong != data:
            with pytest.raises(BadMessage):
                varint(wrong, 0)


def test_negative_numbers_come_as_ten_bytes() -> None:
    assert signed(varint(b"\xff" * 9 + b"\x01", 0)[0]) == -1
    assert signed(2**63 - 1) == 2**63 - 1


def test_fields_are_known_ascending_and_not_default() -> None:
    kinds = {1: VARINT, 2: LEN, 3: LEN}
    assert fields(b"\x08\x05\x12\x01a", kinds) == {1: 5, 2: b"a"}
    assert fields(b"\x1a\x00", kinds, messages=frozenset({3})) == {3: b""}
    for wrong in (
        b"\x08\x00",
        b"\x12\x00",
        b"\x0a\x01a",
        b"\x20\x01",
        b"\x12\x01a\x08\x05",
        b"\x12\x05a",
        b"\x08",
        b"\x0d",
        b"\x09\x05",
        b"\x13\x01a",
        b"\x88\x00\x05",
    ):
        with pytest.raises(BadMessage):
            fields(wrong, kinds)
