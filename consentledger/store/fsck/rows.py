"""One row of a log against its own leaf. Pure.

The leaf is what was hashed; the columns beside it are what everything is found by, and no root stands on them.
"""

import hashlib
from collections.abc import Iterator

from google.protobuf.message import DecodeError

from consentledger.store.commands import FORMAT
from consentledger.store.fsck.finding import Kind
from consentledger.store.ledger import Entry
from consentledger.v1.events_pb2 import LedgerEntry


def differences(entry: Entry) -> Iterator[tuple[Kind, str]]:
    """(class, detail) of what does not fit."""
    try:
        leaf = LedgerEntry.FromString(entry.leaf)
    except DecodeError:
        yield Kind.LEAF_UNREADABLE, ""
        return
    if leaf.format != FORMAT or leaf.header.WhichOneof("kind") is None:
        yield Kind.LEAF_UNREADABLE, ""
    recorded = leaf.recorded_at
    if leaf.tenant != entry.tenant:
        yield Kind.COLUMN_DIFFERS, "tenant"
    if leaf.stream != entry.stream or len(entry.stream) != 16:
        yield Kind.COLUMN_DIFFERS, "stream"
    if leaf.version != entry.version:
        yield Kind.COLUMN_DIFFERS, "version"
    if leaf.type != entry.type:
        yield Kind.COLUMN_DIFFERS, "type"
    if recorded.seconds * 1_000_000 + recorded.nanos // 1000 != entry.recorded_us:
        yield Kind.COLUMN_DIFFERS, "recorded_at"
    named = leaf.ciphertext_sha256
    if entry.ciphertext is None:
        if named:
            yield Kind.CIPHERTEXT_MISSING, ""
    elif hashlib.sha256(entry.ciphertext).digest() != named:
        yield Kind.CIPHERTEXT_DIFFERS, ""
