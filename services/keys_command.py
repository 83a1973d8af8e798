"""`consentledger keys`: the keyring, its epochs, and what person keys are wrapped under.

Works on keyring and key store directly, as `migrate` does: the embedded key store belongs to the running process, so
stop that first; PostgreSQL takes these commands at any time. See docs/runbooks/keys.md. Nothing here prints a secret.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress

from consentledger.crypto.keyring import CannotRetire, FileKeyring, KeyringUnusable
from consentledger.crypto.provider import KeyUnavailable
from consentledger.crypto.sealing import sealer_named
from consentledger.settings import ServiceSettings, vault_settings
from consentledger.store.keystore import KeyStore
from consentledger.store.ledger import SchemaTooOld, StoreUnavailable
from consentledger.store.open import NotAStore, open_keystore
from services import person_keys
from services.embedded import keyring_path, keys_url
from services.operations import Data, Json, KeysUrl, settings_with
from services.person_keys import Refused

T = TypeVar("T")

Ring = Annotated[str | None, typer.Option("--keyring", help="The keyring file; CONSENTLEDGER_KEYRING.")]
Sealed = Annotated[
    str | None,
    typer.Option(
        "--sealer",
        help="plain, passphrase-file:PATH, vault:MOUNT/KEY or tink:URI; CONSENTLEDGER_KEYRING_SEALER.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Yes, for ever.")]

keys_app = typer.Typer(help="The keyring and the epochs of person keys.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the `consentledger` command."""
    app.add_typer(keys_app, name="keys")


@keys_app.command("create")
def create(file: Annotated[Path, typer.Argument(help="Where; never overwritten.")], sealer: Sealed = None) -> None:
    """Make a keyring for services that share a store. With it and the key store everything can be opened: guard it."""
    settings = settings_with(keyring_sealer=sealer)
    with _refusals():
        made = FileKeyring.create(file, sealer_named(settings.keyring_sealer, vault_settings()))
    typer.echo(f"made, sealed by {made.sealed_by}" if made.sealed_by != "plain" else "made")


@keys_app.command("status")
def status(
    keyring: Ring = None, sealer: Sealed = None, keys: KeysUrl = None, data: Data = None, as_json: Json = False
) -> None:
    """The epochs, and how many keys are wrapped under each. Exits 1 when keys need an epoch that the keyring lacks."""
    settings = settings_with(keyring=keyring, keyring_sealer=sealer, keys=keys, data=data)
    ring = _ring(settings)
    found = _with_keystore(settings, "counting", as_json, lambda store, bar: person_keys.epochs(ring, store, bar))
    if as_json:
        typer.echo(json.dumps({"sealer": ring.sealed_by, "epochs": [asdict(one) for one in found]}))
    else:
        typer.echo(f"sealed by {ring.sealed_by}")
        for one in found:
            note = " (current)" if one.current else "" if one.in_keyring else " (not in the keyring: lost)"
            typer.echo(f"epoch {one.epoch}{note}, keys: {one.keys}")
    if any(one.keys and not one.in_keyring for one in found):
        raise typer.Exit(1)


@keys_app.command("roll")
def roll(keyring: Ring = None, sealer: Sealed = None, data: Data = None) -> None:
    """Add an epoch: new keys are wrapped under it from now on. Processes with a copy of the file need the new one."""
    with _refusals():
        number = _ring(settings_with(keyring=keyring, keyring_sealer=sealer, data=data)).roll()
    typer.echo(f"epoch {number} is current")


@keys_app.command("rewrap")
def rewrap(
    keyring: Ring = None, sealer: Sealed = None, keys: KeysUrl = None, data: Data = None, as_json: Json = False
) -> None:
    """Wrap every key of an older epoch anew. Repeat it after a crash. Exits 1 when some keys do not open.

    Services may run meanwhile.
    """
    settings = settings_with(keyring=keyring, keyring_sealer=sealer, keys=keys, data=data)
    ring = _ring(settings)
    done = _with_keystore(settings, "wrapping", as_json, lambda store, bar: person_keys.rewrap(ring, store, bar))
    if as_json:
        typer.echo(json.dumps({"epoch": ring.current_epoch, **asdict(done)}))
    else:
        typer.echo(f"wrapped anew under epoch {ring.current_epoch}: {done.rewrapped} of {done.keys}")
    if done.lost:
        typer.echo(f"keys that do not open, left as they are: {done.lost}", err=True)
        raise typer.Exit(1)


@keys_app.command("destroy-epoch")
def destroy_epoch(
    epoch: Annotated[int, typer.Argument(help="Its number.")],
    yes: Yes = False,
    keyring: Ring = None,
    sealer: Sealed = None,
    keys: KeysUrl = None,
    data: Data = None,
) -> None:
    """Destroy an epoch's key: every backup of the key store that needs it becomes useless. Refused while a key does."""
    _require(yes, "backups of the key store from before the last rewrap will never open again")
    settings = settings_with(keyring=keyring, keyring_sealer=sealer, keys=keys, data=data)
    ring = _ring(settings)
    _with_keystore(settings, "checking", False, lambda store, bar: person_keys.destroy_epoch(ring, store, epoch, bar))
    typer.echo(f"epoch {epoch} is destroyed in this keyring; older copies of the file still hold it")


@keys_app.command("reseal")
def reseal(
    to: Annotated[
        str | None, typer.Option("--to", help="The new sealer; without it, a new version of the same.")
    ] = None,
    keyring: Ring = None,
    sealer: Sealed = None,
    data: Data = None,
) -> None:
    """Seal the keyring by another sealer, or anew by the same one. Older copies of the file open as they did."""
    settings = settings_with(keyring=keyring, keyring_sealer=sealer, data=data)
    with _refusals():
        ring = _ring(settings)
        ring.reseal(sealer_named(settings.keyring_sealer if to is None else to, vault_settings()))
    typer.echo(f"sealed by {ring.sealed_by}; set CONSENTLEDGER_KEYRING_SEALER to the same for every process")


@keys_app.command("retire")
def retire(yes: Yes = False, keyring: Ring = None, sealer: Sealed = None, data: Data = None) -> None:
    """Make every older copy of the keyring useless, for ever: Vault forgets the versions that sealed them."""
    _require(yes, "every process and every backup must have the newest keyring file already")
    with _refusals():
        _ring(settings_with(keyring=keyring, keyring_sealer=sealer, data=data)).retire()
    typer.echo("older copies of the keyring do not open any more")


def _require(yes: bool, consequence: str) -> None:
    if not yes:
        typer.echo(f"cannot be undone: {consequence}. Say --yes.", err=True)
        raise typer.Exit(1)


def _ring(settings: ServiceSettings) -> FileKeyring:
    with _refusals():
        return FileKeyring.open(keyring_path(settings), sealer_named(settings.keyring_sealer, vault_settings()))


def _with_keystore(
    settings: ServiceSettings, word: str, quiet: bool, work: Callable[[KeyStore, person_keys.Progress], Awaitable[T]]
) -> T:
    async def opened() -> T:
        store = await open_keystore(keys_url(settings))
        try:
            with Progress(console=Console(stderr=True), disable=quiet, transient=True) as progress:
                task = progress.add_task(word, total=await store.epochs.count())
                return await work(store, lambda done: progress.update(task, completed=done))
        finally:
            await store.close()

    with _refusals():
        return asyncio.run(opened())


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (Refused, CannotRetire) as refusal:
        typer.echo(f"refused: {refusal}", err=True)
        raise typer.Exit(1) from None
    except (KeyringUnusable, KeyUnavailable, NotAStore, StoreUnavailable, SchemaTooOld, OSError) as refusal:
        typer.echo(f"cannot: {refusal}", err=True)
        raise typer.Exit(3) from None
