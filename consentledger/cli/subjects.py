"""Commands for a person's own copy of their data: make a key pair, get the copy sealed to it, open it.

- What `export` writes can be handed on by anybody: only the private key opens it. Keep that one with the person.
- A copy that is not whole, or was changed, is not opened in part.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import grpc
import typer

from consentledger.cli import files, inputs, output
from consentledger.cli.failures import UNANSWERED, BadFile, Unanswered
from consentledger.cli.options import Options, command, group
from consentledger.cli.session import Session, run
from consentledger.crypto.parcel import CannotUnpack, unpack
from consentledger.crypto.parcelkey import NotAKeyFile, new_key, private_key, public_key
from consentledger.rpc.errors import from_rpc_error
from consentledger.v1 import consent_service_pb2 as service

app = group("A person's own copy of everything held about them.")

K = TypeVar("K")

_LONGEST_SECONDS = 3600.0

NewKey = Annotated[Path, typer.Argument(metavar="FILE", help="The private key; the public one is FILE.pub.")]
PublicKey = Annotated[
    Path, typer.Option("--key", metavar="FILE.pub", exists=True, dir_okay=False, readable=True, help="Seal it to this.")
]
PrivateKey = Annotated[
    Path, typer.Option("--key", metavar="FILE", exists=True, dir_okay=False, readable=True, help="Open it with this.")
]
Sealed = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", dir_okay=False, help="The file to write.")]


@command(app, "keygen")
def keygen(options: Options, file: NewKey) -> None:
    """Make a key pair in two PEM files. Nothing is overwritten."""
    public = file.with_name(file.name + ".pub")
    if file.exists() or public.exists():
        raise BadFile("there is one already")
    pems = new_key()
    files.write(file, pems[0])
    files.write(public, pems[1])
    _said(options, {"private_key": str(file), "public_key": str(public)})


@command(app, "export")
def export(options: Options, subject: inputs.Subject, key: PublicKey, out: Out, reading: inputs.Reading) -> None:
    """Get everything held about a person, sealed to a public key. The read is recorded."""
    request = service.ExportSubjectRequest(
        tenant=options.tenant, subject=subject, recipient_key=_key(key, public_key), access=reading.reason()
    )
    _said(options, {"file": str(out), "bytes": run(options, lambda session: _download(session, request, out))})


@command(app, "open")
def open_(options: Options, file: Sealed, key: PrivateKey, out: Out) -> None:
    """Open such a copy: a ZIP whose README.txt says what is in it. No server is asked."""
    private = _key(key, private_key)
    size = 0
    try:
        with file.open("rb") as source, files.writing(out) as target:
            for content in unpack(source, private):
                size += target.write(content)
    except CannotUnpack as error:
        raise BadFile(f"cannot be opened: {error}") from None
    _said(options, {"file": str(out), "bytes": size})


async def _download(session: Session, request: service.ExportSubjectRequest, out: Path) -> int:
    """A copy that was cut is not resumed: the next one would be sealed otherwise."""
    size = 0
    call = session.consent.ExportSubject(request, timeout=_LONGEST_SECONDS)
    try:
        with files.writing(out) as target:
            async for piece in call:
                size += target.write(piece.data)
    except grpc.aio.AioRpcError as error:
        failure = from_rpc_error(error)
        if failure.reason in UNANSWERED:
            raise Unanswered(failure.reason) from None
        raise failure from None
    finally:
        call.cancel()
    return size


def _key(file: Path, load: Callable[[bytes], K]) -> K:
    try:
        return load(file.read_bytes())
    except NotAKeyFile as error:
        raise BadFile(f"the key: {error}") from None
    except OSError:
        raise BadFile("the key cannot be read") from None


def _said(options: Options, told: dict[str, object]) -> None:
    if options.as_json:
        output.document(told)
    else:
        output.pairs((name.replace("_", " "), str(value)) for name, value in told.items())
