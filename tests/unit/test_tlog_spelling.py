"""Bytes and numbers have one spelling in the texts of the log."""

import pytest

from consentledger.tlog.spelling import BadSpelling, is_line, read_base64, read_decimal, write_base64


@pytest.mark.parametrize(
    ("text", "data"), [("", b""), ("AA==", b"\0"), ("AAA=", b"\0\0"), ("AAAA", b"\0\0\0"), ("+/+/", b"\xfb\xff\xbf")]
)
def test_canonical_base64_is_read_and_written_back(text: str, data: bytes) -> None:
    assert read_base64(text) == data
    assert write_base64(data) == text


@pytest.mark.parametrize(
    "text",
    [
        *("A", "AA", "AA=", "AA===", "AAA==", "AAAA=", "AB==", "AAB=", "AAA", "=AAA", "A=AA", "AA==AAAA", "-_-_"),
        *("AA A", "AAAA\n", " AAAA", "AAAA ", "AA\n==", "====", "!!!!", "ÀAAA", "\ud800AAA", "AAAA\0"),
    ],
)
def test_any_other_base64_is_refused(text: str) -> None:
    with pytest.raises(BadSpelling):
        read_base64(text)


def test_decimals_are_read_up_to_the_largest() -> None:
    assert [read_decimal(text, 12) for text in ("0", "9", "10", "12")] == [0, 9, 10, 12]
    assert read_decimal(str((1 << 63) - 1), (1 << 63) - 1) == (1 << 63) - 1


@pytest.mark.parametrize(
    "text", ["", "13", "00", "01", "+1", "-1", "-0", " 1", "1 ", "1\n", "1_0", "0x1", "1.0", "１", "٣", "1e1", "9" * 20]
)
def test_any_other_decimal_is_refused(text: str) -> None:
    with pytest.raises(BadSpelling):
        read_decimal(text, 12)


def test_a_line_is_text_without_control_characters() -> None:
    assert all(is_line(text) for text in ("a", "—", " ", "\x7f", "a b", "\ud7ff", "\ue000"))
    assert not any(is_line(text) for text in ("", "\n", "a\n", "\t", "a\x1f", "\0", "a\ud800", "\udfff"))
