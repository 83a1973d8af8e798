"""One record, one receipt and one Kantara receipt, made of the golden log: what people keep in their files."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from consentledger.receipts import iso27560, kantara
from consentledger.receipts.act import act_of
from consentledger.receipts.controller import Controller
from consentledger.receipts.source import Source, source
from consentledger.v1 import events_pb2 as ev
from consentledger.v1 import types_pb2 as ty
from tests.golden.leaves import FOLDER, stored
from tests.support.receipts import controller, receipt_of

TREE = 21
"""The events of the golden log that the receipts' tree has: those of the first version, whatever came later."""
GRANT, DENIAL, WITHDRAWAL, WITHDRAWAL_OF_ALL, OBJECTION, RENEWED = 8, 9, 10, 11, 12, 17
ISSUED_AT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
ADA = ty.SubjectRef(namespace="email", id="ada@example.org")


def golden_source(
    position: int, subject: ty.SubjectRef | None = None, told: Controller | None = None, **more: Any
) -> Source:
    """What a receipt of an event of the golden log is made from; the catalogue as it was at that position."""
    leaves = [entry.leaf for entry in stored("consent")[0]][:TREE]
    tenant, purposes, notices = ev.Tenant(), dict[str, ev.Purpose](), dict[str, ev.Notice]()
    for leaf in leaves[:position]:
        header = ev.LedgerEntry.FromString(leaf).header
        if header.HasField("tenant_changed"):
            tenant = header.tenant_changed.tenant
        elif header.HasField("purpose_changed"):
            purposes[header.purpose_changed.purpose.id] = header.purpose_changed.purpose
        elif header.HasField("notice_published"):
            notices[header.notice_published.notice.version] = header.notice_published.notice
    act = act_of(leaves[position - 1])
    return source(
        receipt_of(leaves, position),
        tenant,
        [purposes[id_] for id_ in act.purposes if id_ != "*"],
        notices[act.notice_version] if act.notice_known else None,
        subject=subject,
        controller=told,
        **{"regimes": {"gdpr"}, **more},
    )


DOCUMENTS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "iso27560_record": lambda: iso27560.record(golden_source(WITHDRAWAL)),
    "iso27560_receipt": lambda: iso27560.receipt(golden_source(GRANT, ADA, controller()), ISSUED_AT),
    "kantara": lambda: kantara.receipt(golden_source(GRANT, told=controller())),
}


def document_path(name: str) -> Path:
    """The file that keeps it."""
    return FOLDER / f"{name}.json"


def as_text(document: dict[str, Any]) -> str:
    """The file's text."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
