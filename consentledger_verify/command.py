"""The command `consentledger-verify`: arguments in, a report out, an exit code. It opens files and nothing else."""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import NoReturn

from consentledger_verify import inputs, report
from consentledger_verify.inputs import LEAF, PROOF, Misuse, Unusable
from consentledger_verify.overview import HOUR_NS, Asked
from consentledger_verify.single import Single, verify_consistent, verify_receipt
from consentledger_verify.trust import Trust
from consentledger_verify.verify import verify

_CODES = """exit codes:
  0  all that was checked holds
  1  something does not hold
  2  wrong use: an argument, or a file that it names and that is not there or not what it configures
  3  the export, a pin or a receipt cannot be read, or is malformed

docs/verify.md explains each check. Nothing here uses a network."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; the exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        code: int = given.run(given)
        sys.stdout.flush()
        return code
    except (Misuse, Unusable) as reason:
        print(f"{parser.prog}: {report.plain(str(reason))}", file=sys.stderr)
        return 2 if isinstance(reason, Misuse) else 3


def run() -> NoReturn:
    """The entry point."""
    sys.exit(main())


def _export(given: argparse.Namespace) -> int:
    asked = Asked(
        now_ns=given.now if given.now is not None else time.time_ns(),
        trust=inputs.trust(given.vkey, given.policy),
        pins=tuple(inputs.pin(path) for path in given.pin),
        receipts=tuple(inputs.receipt(path) for path in given.receipt),
        keys=inputs.data_keys(given.keys),
        skew_ns=given.skew * 1_000_000_000,
        erasure_ns=given.erasure_hours * HOUR_NS,
    )
    with inputs.export(given.file) as file:
        view = verify(file, asked)
    _tell(given, report.document(view, given.file), report.screen(view, given.file))
    return view.code


def _receipt(given: argparse.Namespace) -> int:
    receipt = inputs.receipt(given.file, given.leaf)
    single = verify_receipt(receipt.proof, receipt.leaf, _trust(given))
    return _single(given, single, f"the leaf is event {receipt.proof.index + 1} of the log")


def _consistency(given: argparse.Namespace) -> int:
    old, new, proof = inputs.pin(given.old), inputs.pin(given.new), inputs.consistency_proof(given.proof)
    single = verify_consistent(old.note, new.note, proof, _trust(given))
    return _single(given, single, "the log only grew between the two")


def _single(given: argparse.Namespace, single: Single, holds: str) -> int:
    _tell(given, report.single_document(single), report.single_screen(single, holds))
    return 1 if single.problem else 0


def _trust(given: argparse.Namespace) -> Trust:
    trust = inputs.trust(given.vkey, given.policy)
    if trust is None:
        raise Misuse("--vkey or --policy is needed")
    return trust


def _tell(given: argparse.Namespace, document: object, screen: Iterable[str]) -> None:
    if given.json:
        print(json.dumps(document, indent=2))
    else:
        print(*screen, sep="\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="consentledger-verify",
        description="Check exports, receipts and checkpoints of a consent ledger offline.",
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=help, description=help, epilog=_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        added.add_argument("--vkey", action="append", default=[], help="a verifier key of the log; repeat it")
        added.add_argument("--policy", metavar="FILE", help="logs, witnesses and their quorum (C2SP tlog-policy)")
        added.add_argument("--json", action="store_true", help="print one JSON document")
        return added

    export = command("export", "Check an export of a log.")
    export.add_argument("file", metavar="FILE", help="made by `consentledger audit export`; - reads stdin")
    export.add_argument("--pin", action="append", default=[], metavar="FILE", help="an earlier checkpoint; repeat it")
    export.add_argument(
        "--receipt", action="append", default=[], metavar=f"NAME{PROOF}", help=f"NAME{LEAF} beside it; repeat it"
    )
    export.add_argument("--keys", metavar="FILE", help="data keys by stream, to open ciphertexts")
    export.add_argument("--now", type=inputs.moment, metavar="TIME", help="instead of this machine's clock")
    export.add_argument(
        "--skew", type=inputs.whole, default=300, metavar="SECONDS", help="how far clocks may be apart; 300"
    )
    export.add_argument(
        "--erasure-hours", type=inputs.whole, default=720, metavar="HOURS", help="speak of erasures longer than; 720"
    )
    export.set_defaults(run=_export)

    receipt = command("receipt", "Check that an event is in a log, by its receipt.")
    receipt.add_argument("file", metavar=f"NAME{PROOF}")
    receipt.add_argument("--leaf", metavar="FILE", help=f"the event's bytes; else NAME{LEAF}")
    receipt.set_defaults(run=_receipt)

    consistency = command("consistency", "Check that a log only grew between two checkpoints.")
    consistency.add_argument("old", metavar="OLD", help="a signed checkpoint")
    consistency.add_argument("new", metavar="NEW", help="a later one")
    consistency.add_argument("--proof", required=True, metavar="FILE", help="a hash in base64 on each line")
    consistency.set_defaults(run=_consistency)
    return parser
