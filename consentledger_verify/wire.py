"""Protobuf as our one writer spells it: fields ascending, each once, numbers short, no default values. Pure.

Protobuf lets one message be written in many ways. A leaf is hashed as it stands, and a reader that took several
spellings for one message could be shown two leaves that say the same. So this reads one spelling, and refuses others
with BadMessage.
"""

from collections.abc import Mapping

VARINT, LEN = 0, 2
_LONGEST_VARINT = 10


class BadMessage(ValueError):
    """Not the one spelling of a message with these fields."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """(number, where it ends): unsigned, below 2^64, at least one byte and no more than needed."""
    value = shift = 0
    for end in range(at, min(at + _LONGEST_VARINT, len(data))):
        byte = data[end]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if (not byte and shift) or value >> 64:
                raise BadMessage("a number is not spelled as short as can be, or is too large")
            return value, end + 1
        shift += 7
    raise BadMessage("a number is cut off or too long")


def fields(data: bytes, kinds: Mapping[int, int], *, messages: frozenset[int] = frozenset()) -> dict[int, int | bytes]:
    """The fields of a message by number, 1 to 15. `kinds` says VARINT or LEN of each that may occur; those in
    `messages` may be of length 0."""
    found: dict[int, int | bytes] = {}
    at, end, before = 0, len(data), 0
    while at < end:
        # One byte: no field that is read here has a number above 15.
        number, kind = data[at] >> 3, data[at] & 7
        at += 1
        if kinds.get(number) != kind:
            raise BadMessage("a field is unknown, or of another kind")
        if number <= before:
            raise BadMessage("a field is repeated or out of order")
        before = number
        value, at = (data[at], at + 1) if at < end and data[at] < 0x80 else varint(data, at)
        if not value and number not in messages:
            raise BadMessage("a default value is written")
        if kind == LEN:
            if at + value > end:
                raise BadMessage("a field is cut off")
            found[number] = data[at : at + value]
            at += value
        else:
            found[number] = value
    return found


def signed(number: int) -> int:
    """An int64 of its varint."""
    return number - (1 << 64) if number >> 63 else number
