"""One leaf: the bytes of a LedgerEntry (protos/consentledger/v1/events.proto), read as far as the checks need. Pure."""

import re
from dataclasses import dataclass
from typing import cast

from consentledger_verify.lines import LARGEST_LEAF
from consentledger_verify.wire import LEN, VARINT, BadMessage, fields, signed, varint

_ENTRY = {1: VARINT, 2: LEN, 3: LEN, 4: VARINT, 5: LEN, 6: LEN, 7: LEN, 8: LEN, 9: LEN, 10: LEN}
_TIMES = frozenset({6, 7})
_TIME = {1: VARINT, 2: VARINT}
_EPOCH_STARTED = {1: LEN, 2: VARINT, 3: LEN, 4: VARINT, 5: LEN}
_TENANT = re.compile(rb"[a-z0-9-]{0,63}")
_TYPE = re.compile(rb"[a-z0-9._-]{1,64}")
_SECOND = 1_000_000_000

EPOCH_STARTED = 19
"""The header of an event that continues a log under a new name."""
_STATES = ("pending", "sent", "received", "enforced", "failed", "dead", "impossible", "waived")
"""Where an obligation may stand: each is a type of event of its own, with one header."""
KINDS = {
    "subject.opened.v1": 1,
    "consent.recorded.v1": 2,
    "consent.withdrawn.v1": 3,
    "objection.recorded.v1": 4,
    "signal.recorded.v1": 5,
    "restriction.changed.v1": 6,
    "consent.expired.v1": 7,
    "links.changed.v1": 8,
    "preferences.updated.v1": 9,
    "tenant.created.v1": 10,
    "tenant.updated.v1": 10,
    "purpose.changed.v1": 11,
    "notice.published.v1": 12,
    "downstream.changed.v1": 13,
    "subject.erased.v1": 15,
    "key.destroyed.v1": 16,
    "hold.changed.v1": 17,
    "access.recorded.v1": 18,
    "log.epoch_started.v1": EPOCH_STARTED,
    **{f"obligation.{state}.v1": 14 for state in _STATES},
}
"""Which header each type of event has, by its field number in EventHeader."""


class BadEntry(ValueError):
    """Not a LedgerEntry of format 1, or not its one spelling."""


@dataclass(slots=True)
class LedgerEntry:
    """What the checks need of one leaf."""

    tenant: str
    stream: bytes
    """16 bytes."""
    version: int
    type: str
    recorded_ns: int
    """Nanoseconds since 1970."""
    kind: int
    """Which header: its field number in EventHeader."""
    header: bytes
    """The header's own bytes."""
    ciphertext_sha256: bytes
    """32 bytes, or none."""
    commitment: bytes
    """32 bytes, or none."""


@dataclass(frozen=True, slots=True)
class EpochStarted:
    """What a log says that goes on under a new name."""

    old_origin: str
    kept_size: int


def read_entry(leaf: bytes) -> LedgerEntry:
    """The entry of a leaf. Raises BadEntry."""
    if len(leaf) > LARGEST_LEAF:
        raise BadEntry(f"a leaf is at most {LARGEST_LEAF} bytes")
    try:
        found = fields(leaf, _ENTRY, messages=_TIMES)
        recorded = found.get(7)
        if found.get(1) != 1 or recorded is None:
            raise BadEntry("another format, or no time")
        if 6 in found:
            _nanoseconds(cast(bytes, found[6]))
        recorded_ns = _nanoseconds(cast(bytes, recorded))
        kind, header = _header(cast(bytes, found.get(8, b"")))
    except BadMessage as problem:
        raise BadEntry(str(problem)) from None
    tenant, type = cast(bytes, found.get(2, b"")), cast(bytes, found.get(5, b""))
    stream, version = cast(bytes, found.get(3, b"")), cast(int, found.get(4, 0))
    ciphertext_sha256, commitment = cast(bytes, found.get(9, b"")), cast(bytes, found.get(10, b""))
    if len(stream) != 16 or not version or not _TENANT.fullmatch(tenant) or not _TYPE.fullmatch(type):
        raise BadEntry("tenant, stream, version or type are not of their form")
    if (len(ciphertext_sha256), len(commitment)) not in ((0, 0), (32, 32)):
        raise BadEntry("a hash of a ciphertext without a commitment, or not of 32 bytes")
    return LedgerEntry(
        tenant.decode(), stream, version, type.decode(), recorded_ns, kind, header, ciphertext_sha256, commitment
    )


def read_epoch_started(header: bytes) -> EpochStarted:
    """The header of kind EPOCH_STARTED. Raises BadEntry."""
    try:
        found = fields(header, _EPOCH_STARTED)
        return EpochStarted(cast(bytes, found.get(1, b"")).decode(), cast(int, found.get(4, 0)))
    except (BadMessage, UnicodeDecodeError):
        raise BadEntry("not the header that its type names") from None


def _header(data: bytes) -> tuple[int, bytes]:
    """(which, its bytes): exactly one, and nothing else."""
    tag, at = varint(data, 0)
    size, at = varint(data, at)
    if tag & 7 != LEN or at + size != len(data):
        raise BadMessage("not exactly one header")
    return tag >> 3, data[at:]


def _nanoseconds(data: bytes) -> int:
    found = fields(data, _TIME)
    seconds, nanos = signed(cast(int, found.get(1, 0))), cast(int, found.get(2, 0))
    if nanos >= _SECOND:
        raise BadMessage("a time that is none")
    return seconds * _SECOND + nanos
