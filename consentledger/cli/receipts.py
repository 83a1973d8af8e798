"""Commands for receipts: get one from the server, show one that is kept in a file.

- What the catalogue and the controller do not tell is left out, never made up, and listed.
- Whether the key inside a receipt is the log's own cannot be seen here; the offline verifier is told which it is.
"""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from consentledger.cli import describe, files, inputs, output
from consentledger.cli.failures import BadFile, Misuse
from consentledger.cli.options import Options, command, group
from consentledger.cli.receiptfile import LEAF_SUFFIX, PROOF_SUFFIX, read
from consentledger.cli.receiptsource import gathered, proven
from consentledger.cli.session import run
from consentledger.errors import LedgerError
from consentledger.receipts import iso27560, kantara
from consentledger.receipts.act import entry_of
from consentledger.receipts.completeness import missing
from consentledger.receipts.controller import Controller, controller_of
from consentledger.receipts.proof import checkpoint_of
from consentledger.receipts.source import Source
from consentledger.v1 import consent_service_pb2 as consent
from consentledger.v1 import types_pb2 as types

app = group("Receipts: what one event says, with the proof that it is in the log.")

TLOG_PROOF, JSON = "tlog-proof", "json"
_DOCUMENTS: Mapping[str, Callable[[Source], dict[str, Any]]] = {
    "iso27560": lambda source: iso27560.receipt(source, datetime.now(UTC)),
    "iso27560-record": iso27560.record,
    "kantara": kantara.receipt,
}
FORMATS = (TLOG_PROOF, *_DOCUMENTS, JSON)


def _format(text: str) -> str:
    if text not in FORMATS:
        raise Misuse(f"one of {', '.join(FORMATS)}")
    return text


Position = Annotated[
    int, typer.Argument(metavar="POSITION", min=1, max=2**63 - 1, help="The event's place in the log.")
]
Form = Annotated[str, typer.Option("--format", parser=_format, metavar="FORMAT", help=f"{', '.join(FORMATS)}.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", dir_okay=False, help="Instead of stdout.")]
Named = Annotated[
    types.SubjectRef | None,
    typer.Option("--subject", parser=inputs.subject, metavar="SUBJECT", help="Name the person; else a pseudonym."),
]
ControllerFile = Annotated[
    Path | None,
    typer.Option(
        "--controller", metavar="FILE", exists=True, dir_okay=False, readable=True, help="What the controller tells."
    ),
]
Log = Annotated[str, typer.Option("--log", metavar="NAME", help="Another log than consent: tlog-proof and json only.")]
File = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)]


@command(app, "get")
def get(
    options: Options,
    position: Position,
    form: Form = "iso27560",
    out: Out = None,
    subject: Named = None,
    controller: ControllerFile = None,
    log: Log = "",
) -> None:
    """Get the receipt of one event. A tlog-proof is two files: NAME.tlog-proof, and the event's bytes in NAME.leaf."""
    if form in _DOCUMENTS:
        if log:
            raise Misuse("for tlog-proof and json only", param_hint="--log")
        told = _controller(controller)
        source = run(options, lambda session: gathered(session, position, subject, told))
        document = _DOCUMENTS[form](source)
        _hand_out(out, document, _lacking(document, form))
        return
    if subject is not None or controller is not None:
        raise Misuse("not in a tlog-proof or json", param_hint="--subject, --controller")
    if form == TLOG_PROOF and out is None:
        raise Misuse("needed for a tlog-proof", param_hint="--out")
    receipt = run(options, lambda session: proven(session, position, log))
    if form == JSON:
        _hand_out(out, _as_json(receipt), ())
        return
    assert out is not None
    name = out.with_name(out.name.removesuffix(PROOF_SUFFIX))
    files.write(name.with_name(name.name + LEAF_SUFFIX), receipt.leaf)
    files.write(name.with_name(name.name + PROOF_SUFFIX), receipt.tlog_proof)


@command(app, "show")
def show(options: Options, file: File) -> None:
    """Show what a receipt in a file proves. Fails if it says something else itself, or its proof does not hold."""
    found = read(file)
    if found.differs:
        raise BadFile("says something else than the leaf in it: " + ", ".join(dict.fromkeys(found.differs)))
    receipt, entry = found.receipt, entry_of(found.receipt.leaf)
    head = checkpoint_of(receipt) if receipt.vkey else None
    shown = {
        "position": str(receipt.position),
        "type": entry.type,
        "what": describe.what(entry),
        "when": describe.when(entry),
        "recorded": describe.recorded_later(entry),
        "notice": describe.notice(entry),
        "how": describe.how(entry),
        "tenant": entry.tenant,
        "log": head.origin if head else "",
        "tree_size": str(head.size) if head else "",
        "vkey": receipt.vkey,
        "proof": "holds by that key; compare the key" if head else "not checked: the file names no key",
    }
    if options.as_json:
        output.document(shown)
    else:
        output.pairs((name.replace("_", " "), value) for name, value in shown.items())


def _controller(file: Path | None) -> Controller | None:
    if file is None:
        return None
    try:
        return controller_of(json.loads(file.read_bytes()))
    except (ValueError, RecursionError, OSError):
        raise BadFile("the controller's is no JSON") from None
    except LedgerError as error:
        told = error.metadata
        raise BadFile(f"the controller's: {told.get('field', '')}: {told.get('rule', '')}") from None


def _as_json(receipt: types.Receipt) -> dict[str, Any]:
    entry = entry_of(receipt.leaf)
    read = output.as_dict(consent.WatchConsentResponse(position=receipt.position, entry=entry))
    return output.as_dict(receipt) | {"entry": read["entry"]}


def _lacking(document: dict[str, Any], form: str) -> tuple[str, ...]:
    """What ISO/IEC TS 27560 asks for and nobody told."""
    if form == "kantara":
        return ()
    [record] = document.get("dpv:hasRecordOfActivity", [document])
    return () if record["@type"] == "dpv:RightExerciseRecord" else missing(record)


def _hand_out(out: Path | None, document: dict[str, Any], lacking: tuple[str, ...]) -> None:
    if out is None:
        output.document(document)
    else:
        files.write(out, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
    if lacking:
        print(f"claims no ISO/IEC TS 27560 profile; not told: {', '.join(lacking)}", file=sys.stderr)
