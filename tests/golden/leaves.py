"""From events to what a store holds, and from there to what stands; both in a form that a file can keep."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.json_format import MessageToDict

from consentledger.crypto.envelope import FORMAT, DataKey, Sealed, commit
from consentledger.store import newepoch
from consentledger.store.commands import seal
from consentledger.store.ledger import Entry
from consentledger.v1 import events_pb2 as ev
from services.consent import decoding, encoding
from services.notifier import codec as notifier_codec
from tests.golden import events

FOLDER = Path(__file__).parent
RAW_KEY = bytes(range(100, 132))
NONCE, SALT = bytes(12), bytes(range(32))


class FixedKey(DataKey):
    """A data key whose seals are always the same: for golden bytes, and for nothing else."""

    def seal(self, payload: bytes, aad: bytes) -> Sealed:
        """As `DataKey.seal`, without chance."""
        inner = ev.SealedPayload(salt=SALT, payload=payload).SerializeToString()
        ciphertext = FORMAT + NONCE + AESGCM(RAW_KEY).encrypt(NONCE, inner, aad)
        return Sealed(ciphertext, sha256(ciphertext).digest(), commit(SALT, payload, aad))


@dataclass(frozen=True, slots=True)
class Golden:
    """A log as stored, and the events that it was made from."""

    service: str
    entries: list[Entry]
    events: list[Any]

    @property
    def path(self) -> Path:
        """The file that keeps it."""
        return FOLDER / f"{self.service}.json"


def built() -> list[Golden]:
    """Both logs, and what stands in any log, made now."""
    acts, steps = list(events.consent()), list(events.notifier())
    key = FixedKey(RAW_KEY)
    return [
        Golden("consent", [seal(encoding.draft(events.TENANT, e, key)) for e in acts], acts),
        Golden("notifier", [seal(notifier_codec.draft(events.TENANT, e)) for e in steps], steps),
        Golden("log", [seal(newepoch.draft(*events.new_epoch()))], []),
    ]


def load(service: str, entry: Entry) -> Any:
    """The event of a stored entry."""
    return (decoding if service == "consent" else notifier_codec).load(entry)


def folded(service: str, entries: Iterable[Entry]) -> dict[str, Any]:
    """What stands after the log, by stream."""
    aggregates: dict[bytes, Any] = {}
    for entry in entries:
        aggregates[entry.stream] = load(service, entry).mutate(aggregates.get(entry.stream))
    return {stream.hex(): plain(_own(aggregate)) for stream, aggregate in sorted(aggregates.items())}


def _own(aggregate: Any) -> dict[str, Any]:
    """What an aggregate knows besides the framework's bookkeeping."""
    kept = {name: value for name, value in vars(aggregate).items() if not name.startswith("_")}
    return kept | {"version": aggregate.version}


def plain(value: Any) -> Any:
    """A value as JSON knows it, in one order."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return sorted(([plain(k), plain(v)] for k, v in value.items()), key=repr)
    if isinstance(value, frozenset | set):
        return sorted((plain(v) for v in value), key=repr)
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def digest(state: dict[str, Any]) -> str:
    """SHA-256 of what stands."""
    return sha256(json.dumps(state, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def as_json(golden: Golden) -> str:
    """The file's text: each leaf in hexadecimal, and as people read it."""
    state = folded(golden.service, golden.entries) if golden.events else {}
    rows = [
        {
            "position": e.position,
            "type": e.type,
            "leaf": e.leaf.hex(),
            "ciphertext": None if e.ciphertext is None else e.ciphertext.hex(),
            "reads": MessageToDict(ev.LedgerEntry.FromString(e.leaf)),
        }
        for e in golden.entries
    ]
    return (
        json.dumps({"entries": rows, "state_digest": digest(state), "state": state}, indent=1, ensure_ascii=False)
        + "\n"
    )


def stored(service: str) -> tuple[list[Entry], dict[str, Any]]:
    """The entries as a store would hand them out, and the rest of the file."""
    kept = json.loads((FOLDER / f"{service}.json").read_text("utf-8"))
    entries = []
    for row in kept["entries"]:
        raw = bytes.fromhex(row["leaf"])
        leaf = ev.LedgerEntry.FromString(raw)
        ciphertext = None if row["ciphertext"] is None else bytes.fromhex(row["ciphertext"])
        place = (row["position"], leaf.tenant, leaf.stream, leaf.version, row["type"])
        entries.append(Entry(*place, leaf.recorded_at.ToMicroseconds(), raw, ciphertext))
    return entries, kept
