"""How the C2SP text formats spell bytes and numbers: one spelling each, and nothing else is read. Pure.

- Base64 is that of RFC 4648 section 4, padded, its unused bits zero.
- A number is ASCII decimal without sign and without leading zeros.
- A line holds no ASCII control character and can be written in UTF-8.

Two spellings of one value would let a signed or hashed text be changed without a trace.
"""

import binascii
import re

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


class BadSpelling(ValueError):
    """Not the one spelling of a value."""


def read_base64(text: str) -> bytes:
    """The bytes. Raises BadSpelling."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise BadSpelling("not base64") from None
    if write_base64(data) != text:
        raise BadSpelling("not canonical base64")
    return data


def write_base64(data: bytes) -> str:
    """Back from `read_base64`."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def read_decimal(text: str, largest: int) -> int:
    """The number, 0 to `largest`, which is below 10^19. Raises BadSpelling."""
    if not _DECIMAL.fullmatch(text) or int(text) > largest:
        raise BadSpelling("not a decimal number in range")
    return int(text)


def is_line(text: str) -> bool:
    """Whether the text may stand on a line of a note: not empty, no control character, no lone surrogate."""
    return text != "" and not any(c < " " or "\ud800" <= c <= "\udfff" for c in text)
