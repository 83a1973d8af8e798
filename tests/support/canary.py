"""Personal values that can be found again wherever they went, and the search for them.

Every canary begins with `CANARY`, so that one search finds them all. It is looked for as it is, in capitals, in
hexadecimal, in base64 at each of the three alignments, and in UTF-16; identifiers also as their plain SHA-256, which
anyone could guess from a list of addresses. A birth date cannot begin so; `BIRTH_DATE` is looked for beside it.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

CANARY = "zqcanary"
BIRTH_DATE = "2019-05-29"
PERSONAL = {
    "SubjectRef.id",
    "Context.ip",
    "Context.user_agent",
    "Context.note",
    "WithdrawConsentRequest.reason",
    "RecordObjectionRequest.reason",
    "SetRestrictionRequest.reason",
    "LiftRestrictionRequest.reason",
    "SetHoldRequest.reason",
    "LiftHoldRequest.reason",
    "AccessReason.actor",
}
"""The fields of requests that hold free personal values; `Guardian.child_birth_date` is the other one."""


def personalise(message: Any, mark: str) -> set[str]:
    """Turn `mark` into `CANARY` in every personal field of the message that is set; the new values."""
    values: set[str] = set()
    for field, value in message.ListFields():
        name = f"{field.containing_type.name}.{field.name}"
        if name == "Guardian.child_birth_date":
            setattr(message, field.name, BIRTH_DATE)
        elif name in PERSONAL and value:
            setattr(message, field.name, value.replace(mark, CANARY))
            values.add(getattr(message, field.name))
        elif isinstance(value, Message):
            values |= personalise(value, mark)
        elif field.message_type is not None:
            for one in value:
                values |= personalise(one, mark)
    return values


def forms(value: str) -> dict[str, bytes]:
    """How a value may look when it has leaked."""
    raw = value.encode()
    found = {
        "raw": raw,
        "capitals": value.upper().encode(),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "UTF-16LE": value.encode("utf-16-le"),
        "UTF-16BE": value.encode("utf-16-be"),
    }
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + raw)
        # The first characters depend on what stands before, the last ones on what follows.
        found[f"base64 +{shift}"] = text[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
    return found


def patterns(identifiers: Iterable[str] = ()) -> dict[str, bytes]:
    """What to look for: name -> bytes."""
    found = {f"canary {name}": form for name, form in forms(CANARY).items()}
    found |= {f"birth date {name}": form for name, form in forms(BIRTH_DATE).items()}
    for number, identifier in enumerate(sorted(identifiers)):
        digest = hashlib.sha256(identifier.encode()).digest()
        found |= {f"sha256 {number}": digest, f"sha256 hex {number}": digest.hex().encode()}
    return found


def leaks(place: str, data: bytes, wanted: dict[str, bytes]) -> list[str]:
    """`place: name` for every pattern in the data."""
    return [f"{place}: {name}" for name, pattern in wanted.items() if pattern in data]


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder, as raw bytes; one that goes away meanwhile is left out."""
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file() and not path.is_symlink():
                yield str(path.relative_to(folder)), path.read_bytes()
        except FileNotFoundError:
            continue


def rows(tables: dict[str, list[tuple[Any, ...]]]) -> Iterator[tuple[str, bytes]]:
    """Every value of every row, as bytes."""
    for table, found in tables.items():
        for row in found:
            for value in row:
                yield f"table {table}", value if isinstance(value, bytes) else str(value).encode()
