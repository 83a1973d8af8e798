"""What the arguments name: keys, policies, pins, receipts; read from files with limits, and made what checks take.

- Misuse: an argument, or a file that is not there or is not what it configures. Exit code 2.
- Unusable: a pin or a receipt that is not of its form. Exit code 3.
"""

import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from consentledger.tlog.keys import NoteError, VerifierKey
from consentledger.tlog.note import MAX_SIZE as NOTE_SIZE
from consentledger.tlog.note import read_note
from consentledger.tlog.policy import Policy, PolicyError
from consentledger.tlog.prooffile import MAX_SIZE as PROOF_SIZE
from consentledger.tlog.prooffile import ProofFileError, parse_proof
from consentledger_verify import seals
from consentledger_verify.anchors import Pin, Receipt
from consentledger_verify.lines import LARGEST_LEAF
from consentledger_verify.trust import NO_POLICY, Trust

PROOF, LEAF = ".tlog-proof", ".leaf"
_KEYS_SIZE = 64 << 20


class Misuse(Exception):
    """Wrong use."""


class Unusable(Exception):
    """A file that cannot be read as what it is."""


def trust(vkeys: Sequence[str], policy_path: str | None) -> Trust | None:
    """The keys that were given; None without any. Raises Misuse."""
    policy, sources = NO_POLICY, list[str]()
    if policy_path:
        try:
            policy = Policy.parse(read(policy_path, NOTE_SIZE))
        except PolicyError as reason:
            raise Misuse(f"--policy: {reason}") from None
        sources.append(f"the policy {policy_path}, quorum {policy.quorum}")
    try:
        keys = tuple(dict.fromkeys(VerifierKey.parse(vkey) for vkey in vkeys))
    except NoteError:
        raise Misuse("--vkey: not a verifier key (name+id+key)") from None
    if keys:
        sources.append(f"{len(keys)} verifier keys" if len(keys) > 1 else f"verifier key {keys[0].key_id.hex()}")
    return Trust("given: " + "; ".join(sources), keys, policy) if sources else None


def pin(path: str) -> Pin:
    """An earlier checkpoint. Raises Misuse or Unusable."""
    note = read(path, NOTE_SIZE)
    try:
        read_note(note)
    except NoteError as reason:
        raise Unusable(f"{path}: no signed note: {reason}") from None
    return Pin(Path(path).name, note)


def receipt(path: str, leaf: str | None = None) -> Receipt:
    """A proof file, and the leaf beside it or where it is said to be. Raises Misuse or Unusable."""
    if leaf is None and not path.endswith(PROOF):
        raise Misuse(f"{path}: a receipt is NAME{PROOF}, with NAME{LEAF} beside it")
    try:
        proof = parse_proof(read(path, PROOF_SIZE))
    except ProofFileError as reason:
        raise Unusable(f"{path}: {reason}") from None
    return Receipt(Path(path).name, proof, read(leaf or path.removesuffix(PROOF) + LEAF, LARGEST_LEAF))


def data_keys(path: str | None) -> dict[bytes, bytes]:
    """Data keys by stream. Raises Misuse."""
    try:
        return seals.read_keys(read(path, _KEYS_SIZE)) if path else {}
    except seals.BadKeys as reason:
        raise Misuse(f"--keys: {reason}") from None


def export(path: str) -> BinaryIO:
    """The export, open; stdin for `-`. Raises Unusable."""
    try:
        return sys.stdin.buffer if path == "-" else open(path, "rb")
    except (OSError, ValueError) as reason:
        raise Unusable(f"{path}: {_why(reason)}") from None


def consistency_proof(path: str) -> bytes:
    """The lines of a consistency proof. Raises Misuse or Unusable."""
    return read(path, PROOF_SIZE)


def read(path: str, limit: int) -> bytes:
    """The bytes of a small file. Raises Misuse, or Unusable when it is not small."""
    try:
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as reason:
        raise Misuse(f"{path}: {_why(reason)}") from None
    if len(data) > limit:
        raise Unusable(f"{path}: larger than {limit} bytes")
    return data


def _why(reason: Exception) -> str:
    return getattr(reason, "strerror", None) or "cannot be read"


def moment(text: str) -> int:
    """A time with its offset, in nanoseconds since 1970."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min
    if found.tzinfo is None:
        raise ArgumentTypeError("a time with its offset, 2026-01-31T12:00:00Z")
    return round(found.timestamp() * 1e6) * 1000


def whole(text: str) -> int:
    """A whole number of at most nine digits."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ArgumentTypeError("a whole number")
    return int(text)
