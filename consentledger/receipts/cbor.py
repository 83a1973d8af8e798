"""As much of CBOR as a COSE receipt needs, always in the one deterministic form (RFC 8949, 4.2.1). Pure.

Integers, bytes, texts, lists, maps, tags and null; lengths as short as possible, keys of maps sorted by their encoding.
Writing only: nothing here reads CBOR.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_INTEGER, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP, _TAG = range(7)
_NULL = b"\xf6"


@dataclass(frozen=True, slots=True)
class Tag:
    """A value with its tag number."""

    number: int
    value: "Value"


Value = int | bytes | str | Sequence["Value"] | Mapping["Value", "Value"] | Tag | None


def encode(value: Value) -> bytes:
    """The bytes. Raises TypeError for another type, ValueError for an integer beyond 64 bits."""
    match value:
        case None:
            return _NULL
        case bool():
            raise TypeError("not a value of a COSE receipt")
        case int():
            return _head(_INTEGER, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
        case bytes():
            return _head(_BYTES, len(value)) + value
        case str():
            text = value.encode()
            return _head(_TEXT, len(text)) + text
        case Tag():
            return _head(_TAG, value.number) + encode(value.value)
        case Mapping():
            pairs = sorted((encode(key), encode(held)) for key, held in value.items())
            return _head(_MAP, len(pairs)) + b"".join(key + held for key, held in pairs)
        case Sequence():
            return _head(_LIST, len(value)) + b"".join(map(encode, value))
    raise TypeError("not a value of a COSE receipt")


def _head(major: int, argument: int) -> bytes:
    """The major type and its argument, in as few bytes as it takes."""
    if argument < 24:
        return bytes([major << 5 | argument])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | code]) + argument.to_bytes(size, "big")
    raise ValueError("an integer beyond 64 bits")
