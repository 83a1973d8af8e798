"""One event of a person, with its seal opened: whole, for programs, and as a row for a spreadsheet. Pure.

Fields have the names of the contract; binary values are base64, 64-bit numbers texts, as protobuf JSON has them.
"""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from consentledger.store.ledger import Entry
from consentledger.v1 import events_pb2 as ev
from services.consent.records import Records

COLUMNS = (
    "position", "occurred_at", "recorded_at", "type", "linked", "purposes", "choice", "notice_version", "expires_at",
    "method", "jurisdiction", "language", "collector", "identifier", "ip", "user_agent", "guardian", "note", "reason",
    "actor", "everything_else",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_ACT = ("method", "jurisdiction", "language", "collector")


def as_json(message: Message) -> dict[str, Any]:
    """Protobuf JSON with the names of the contract; what is not set is left out."""
    fields: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return fields


def event(records: Records, entry: Entry) -> dict[str, Any]:
    """Everything about it."""
    leaf = ev.LedgerEntry.FromString(entry.leaf)
    kind = leaf.header.WhichOneof("kind")
    opened = records.open(entry, leaf)
    common = as_json(leaf)
    said = {
        "position": entry.position,
        "type": entry.type,
        "occurred_at": common.get("occurred_at"),
        "recorded_at": common["recorded_at"],
        "person": str(UUID(bytes=entry.stream)),
        "linked": entry.stream != records.person,
        "version": entry.version,
        "header": as_json(getattr(leaf.header, kind)) if kind else {},
        "personal": None if opened is None else as_json(opened),
    }
    return {name: value for name, value in said.items() if value is not None}


def json_line(value: dict[str, Any]) -> bytes:
    """One line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def csv_head() -> bytes:
    """The first row; with a mark by which spreadsheets know UTF-8."""
    return b"\xef\xbb\xbf" + _csv(COLUMNS)


def csv_row(said: dict[str, Any]) -> bytes:
    """The row of an `event`."""
    header, personal = dict(said["header"]), dict(said.get("personal", {}))
    act = header.pop("act", {})
    purposes = header.pop("purposes", None) or [header.pop("purpose", "")]
    cells = {
        "position": said["position"],
        "occurred_at": said.get("occurred_at", ""),
        "recorded_at": said["recorded_at"],
        "type": said["type"],
        "linked": "yes" if said["linked"] else "",
        "purposes": " ".join(purposes),
        "identifier": _subject(personal.pop("subject", {})),
        "guardian": _guardian(personal.pop("guardian", {})),
        **{name: header.pop(name, "") for name in ("choice", "notice_version", "expires_at")},
        **{name: act.get(name, "") for name in _ACT},
        **{name: personal.pop(name, "") for name in ("ip", "user_agent", "note", "reason", "actor")},
    }
    header |= {name: value for name, value in act.items() if name not in _ACT}
    cells["everything_else"] = json.dumps(header | personal, ensure_ascii=False) if header or personal else ""
    return _csv(cells[name] for name in COLUMNS)


def _subject(said: dict[str, Any]) -> str:
    return f"{said['namespace']}:{said['id']}" if said else ""


def _guardian(said: dict[str, Any]) -> str:
    named = (_subject(said.get("subject", {})), said.get("verification_method"), said.get("child_birth_date"))
    return " ".join(part for part in named if part)


def _csv(cells: Iterable[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([_harmless(str(cell)) for cell in cells])
    return text.getvalue().encode()


def _harmless(cell: str) -> str:
    """Spreadsheets run formulas; what others wrote must not be one."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
