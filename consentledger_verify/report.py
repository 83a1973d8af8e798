"""What is told: one screen for people, or one JSON document for programs. What came from a file is made harmless."""

from collections.abc import Iterator
from typing import Any

from consentledger.tlog.checkpoint import Checkpoint
from consentledger.tlog.spelling import write_base64
from consentledger_verify.overview import Overview, Standing
from consentledger_verify.problems import Check, Finding
from consentledger_verify.single import Single
from consentledger_verify.trust import Trust

VERDICTS = {0: "ALL HOLDS", 1: "SOMETHING DOES NOT HOLD", 3: "THE FILE CANNOT BE READ"}
_LONGEST = 200
_STATEMENTS = {
    Check.FILE: "every line has its one spelling, and the digest is that of the file",
    Check.SIGNATURE: "the checkpoint is signed by the log",
    Check.TREE: "the events are those of the checkpoint",
    Check.POSITIONS: "no position is missing, doubled or out of order",
    Check.ENTRIES: "every leaf reads as one event, of the type that its header has",
    Check.STREAMS: "versions follow each other in every stream",
    Check.TIMES: "times increase, and none is in the future",
    Check.ERASURE: "nothing follows an erasure but what must",
}


def screen(view: Overview, name: str) -> Iterator[str]:
    """The lines for people; `name` is the file's."""
    yield f"export       {plain(name)}"
    if (header := view.header) is not None:
        whose = "all tenants" if not header.tenants else f"{len(header.tenants)} tenants whole, the others as hashes"
        sealed = "with" if header.ciphertexts else "without"
        what = f"log {plain(header.log)}, positions {header.first} to {header.last}"
        yield f"             {what}, {whose}, {sealed} ciphertexts"
    if view.checkpoint is not None:
        yield f"checkpoint   {_head(view.checkpoint)}"
    yield f"keys         {_source(view.trust)}"
    yield ""
    for check in Check:
        standing = view.standing(check)
        yield f"{check.value:12} {standing:15} {_statement(view, check)}".rstrip()
        yield from (f"{'':12} {'':15} {_finding(found)}" for found in view.found.of(check))
    if view.found.cautions:
        yield ""
        yield from (f"NOTE WELL    {_finding(found)}" for found in view.found.cautions)
    yield ""
    if (first := view.found.first_difference()) is not None:
        yield f"first difference: {_finding(first)}"
    yield VERDICTS[view.code] + (", for this part of the log" if view.code == 0 and view.part else "")


def document(view: Overview, name: str) -> dict[str, Any]:
    """The same for programs. Fields are only ever added."""
    header, first = view.header, view.found.first_difference()
    return {
        "file": name,
        "verdict": VERDICTS[view.code],
        "exit_code": view.code,
        "log": header.log if header else None,
        "first": header.first if header else None,
        "last": header.last if header else None,
        "tenants": sorted(header.tenants) if header else None,
        "ciphertexts": header.ciphertexts if header else None,
        "part": view.part,
        "events": view.events,
        "redacted": view.redacted,
        "checkpoint": _head_fields(view.checkpoint),
        "keys": {
            "from": view.trust.source if view.trust else None,
            "trusted_by_the_file_alone": view.trust is not None and view.trust.from_file,
            "signed_by": list(view.signers),
            "witnesses": dict(view.witnesses),
        },
        "checks": {check.value: view.standing(check) for check in Check},
        "problems": [_finding_fields(found) for found in view.found.problems],
        "cautions": [_finding_fields(found) for found in view.found.cautions],
        "first_difference": _finding_fields(first) if first else None,
        "pins_and_receipts_held_against": view.anchored,
        "receipts_honoured": view.honoured,
        "payloads_opened": view.opened,
    }


def single_screen(single: Single, holds: str) -> Iterator[str]:
    """The lines about one receipt or proof; `holds` is what is said if it does."""
    if single.checkpoint is not None:
        yield f"checkpoint   {_head(single.checkpoint)}"
        yield f"witnesses    {single.witnesses}"
    yield holds if single.problem is None else _finding(single.problem)
    yield VERDICTS[1 if single.problem else 0]


def single_document(single: Single) -> dict[str, Any]:
    """The same for programs."""
    return {
        "verdict": VERDICTS[1 if single.problem else 0],
        "exit_code": 1 if single.problem else 0,
        "checkpoint": _head_fields(single.checkpoint),
        "witnesses": single.witnesses,
        "problem": _finding_fields(single.problem) if single.problem else None,
    }


def plain(text: str) -> str:
    """The text without what could steer a terminal, and not too long for a line."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)[:_LONGEST]


def _statement(view: Overview, check: Check) -> str:
    if view.standing(check) == Standing.FAILS:
        return ""
    asked, header = view.asked, view.header
    if check is Check.WITNESSES:
        if check in view.open:
            return "no policy asks for any"
        return f"enough for the policy: {', '.join(plain(name) for name in view.witnesses)}"
    if check is Check.TREE and header and view.checkpoint and view.part:
        return f"the events are numbers {header.first} to {header.last} of the checkpoint's {view.checkpoint.size}"
    if check is Check.CIPHERTEXTS:
        if header is None or not header.ciphertexts:
            return "the export holds none"
        return "each is the one that its leaf names; those gone are of erased persons"
    if check is Check.PAYLOADS:
        return f"{view.opened} opened, as committed to" if asked.keys else "no keys were given"
    if check is Check.PINS:
        return f"{view.anchored} earlier checkpoints are under it" if asked.pins or asked.receipts else "none was given"
    if check is Check.RECEIPTS:
        return f"{view.honoured} are honoured" if asked.receipts else "none was given"
    return _STATEMENTS[check]


def _finding(found: Finding) -> str:
    place = ""
    if found.first is not None:
        exact = found.last is None or found.first == found.last
        place = f" at position {found.first}" if exact else f" between positions {found.first} and {found.last}"
    line = f" (line {found.line})" if found.line else ""
    times = f" and {found.count - 1} more" if found.count > 1 else ""
    return f"{found.problem}{place}{line}: {plain(found.text)}{times}"


def _finding_fields(found: Finding) -> dict[str, Any]:
    return {
        "class": str(found.problem),
        "first": found.first,
        "last": found.last,
        "line": found.line,
        "count": found.count,
        "text": found.text,
    }


def _source(trust: Trust | None) -> str:
    if trust is None:
        return "none was read"
    if trust.from_file:
        return "TAKEN FROM THE FILE ITSELF: compare its verifier key with one got another way, or give --vkey"
    return plain(trust.source)


def _head(checkpoint: Checkpoint) -> str:
    return f"{plain(checkpoint.origin)}, {checkpoint.size} events, root {write_base64(checkpoint.root)}"


def _head_fields(checkpoint: Checkpoint | None) -> dict[str, Any] | None:
    if checkpoint is None:
        return None
    return {"origin": checkpoint.origin, "size": checkpoint.size, "root": write_base64(checkpoint.root)}
