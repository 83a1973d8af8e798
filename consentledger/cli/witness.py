"""Commands of a witness: make its key, run it. They ask no ledger; a ledger asks them.

`witness run` prints one line when it serves, and goes on until SIGTERM or SIGINT.
"""

import asyncio
import signal
import ssl
from pathlib import Path
from typing import Annotated

import typer

from consentledger import journal
from consentledger.cli import output
from consentledger.cli.failures import BadFile, ExitCode, Misuse, report
from consentledger.cli.options import group
from consentledger.rpc.address import InsecureAddress
from consentledger.tlog.keys import NoteError, VerifierKey
from consentledger.tlog.signatures import COSIGNATURE
from consentledger.witness.keyfile import KeyUnusable, WitnessKey
from consentledger.witness.records import RecordsUnusable
from consentledger.witness.serving import WitnessServer
from consentledger.witness.witness import Witness

app = group("A witness of other people's logs: cosigns checkpoints as long as each extends the one before.")

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", file_okay=False, help="Its key, and what it has cosigned.")]
Name = Annotated[
    str, typer.Option("--name", metavar="NAME", help="Its name, a URL without scheme: witness.example/w1.")
]
Logs = Annotated[list[str], typer.Option("--log", metavar="VKEY", help="The verifier key of a log; repeat it.")]
Listen = Annotated[str, typer.Option("--listen", metavar="HOST:PORT", help="Other than loopback only with TLS.")]
Certificate = Annotated[
    Path | None, typer.Option("--tls-certificate", metavar="FILE", help="A PEM chain; with --tls-key.")
]
Key = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Its PEM key.")]


@app.command("init")
def init(folder: Folder, name: Name) -> None:
    """Make a witness, and print its verifier key. The folder must stay as it is: never restore it from a copy."""
    try:
        print(WitnessKey.create(folder, name).verifier.vkey())
    except KeyUnusable as refusal:
        _refuse(refusal)


@app.command("run")
def run(
    folder: Folder,
    log: Logs,
    listen: Listen = "127.0.0.1:8090",
    tls_certificate: Certificate = None,
    tls_key: Key = None,
) -> None:
    """Serve it: POST /add-checkpoint, and GET /<hex SHA-256 of a log's origin>/checkpoint."""
    keys = [_log_key(vkey) for vkey in log]
    if (tls_certificate is None) != (tls_key is None):
        raise Misuse("both or none", param_hint="--tls-certificate, --tls-key")
    journal.configure("witness")
    try:
        tls = _tls(tls_certificate, tls_key)
        witness = Witness(folder, keys)
        try:
            asyncio.run(_serve(witness, listen, tls))
        finally:
            witness.close()
    except (KeyUnusable, RecordsUnusable, InsecureAddress) as refusal:
        _refuse(refusal)
    except OSError:
        _refuse(BadFile("the address cannot be bound, or the certificate cannot be read"))


async def _serve(witness: Witness, listen: str, tls: ssl.SSLContext | None) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = WitnessServer(witness, tls)
    port = server.bind(listen)
    await server.start()
    try:
        output.line(f"witness {witness.verifier.vkey()} listens on port {port}")
        await stop.wait()
    finally:
        await server.close()


def _log_key(vkey: str) -> VerifierKey:
    try:
        key = VerifierKey.parse(vkey)
    except NoteError:
        raise Misuse("a verifier key: name+id+key", param_hint="--log") from None
    if key.type == COSIGNATURE:
        raise Misuse("the key of a log, not of a witness", param_hint="--log")
    return key


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


def _refuse(why: Exception) -> None:
    report(why if isinstance(why, BadFile) else BadFile(str(why)), as_json=False)
    raise typer.Exit(ExitCode.REFUSED) from None
