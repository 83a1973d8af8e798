"""Recovery as commands: `consentledger log new-epoch`, `backup`, `restore`, `resync`. See docs/runbooks/restore.md."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial as partial_of
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from consentledger.cli import output
from consentledger.store.newepoch import LONGEST_REASON
from services.embedded import ALL
from services.operations import Data, GuardUrl, Json, KeysUrl, NatsUrl, StoreUrl, run_now, settings_with
from services.recovery.backup import Wanted, backup
from services.recovery.epochs import new_epoch
from services.recovery.restore import Restored, restore
from services.recovery.resync import resync

Ring = Annotated[str | None, typer.Option("--keyring", help="The keyring file; CONSENTLEDGER_KEYRING.")]
PgBin = Annotated[
    Path | None, typer.Option("--pg-bin", metavar="DIR", help="Where pg_dump and pg_restore are, if not on the PATH.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Yes, for ever.")]

log_app = typer.Typer(help="The logs themselves.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the `consentledger` command."""
    app.command("backup")(make_backup)
    app.command("restore")(put_back)
    app.command("resync")(bring_back)
    app.add_typer(log_app, name="log")


def make_backup(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A folder that is empty or not there.")],
    with_keys: Annotated[
        bool,
        typer.Option("--with-keys", help="The key store too: people erased later are in it, until its epoch is ended."),
    ] = False,
    pg_bin: PgBin = None,
    store: StoreUrl = None,
    keys: KeysUrl = None,
    guard: GuardUrl = None,
    keyring: Ring = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Copy the logs as they are at this moment, beside running services. Never the keyring, never the guard."""
    settings = settings_with(store=store, keys=keys, guard=guard, keyring=keyring, data=data)
    with shown(as_json) as bar:
        made = run_now(backup(settings, Wanted(out, with_keys, pg_bin), bar))
    if as_json:
        typer.echo(json.dumps(asdict(made)))
        return
    output.table(("log", "events", "root"), [(log.log, str(log.position), log.root) for log in made.logs])
    kept = "with the key store" if made.keys else "without the key store"
    typer.echo(f"{sum(file.bytes for file in made.files):,} bytes in {out}, {kept}, without the keyring")


def put_back(
    source: Annotated[Path, typer.Option("--from", metavar="DIR", help="Made by `consentledger backup`.")],
    with_keys: Annotated[
        bool,
        typer.Option("--with-keys", help="The key store too, if it is lost. An older one brings erased keys back."),
    ] = False,
    pg_bin: PgBin = None,
    store: StoreUrl = None,
    keys: KeysUrl = None,
    guard: GuardUrl = None,
    keyring: Ring = None,
    nats: NatsUrl = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Put the logs of a backup where there are none. See docs/runbooks/restore.md for what comes before and after.

    Exits with 1 when a log is behind what was signed: the services refuse it until `consentledger resync`.
    """
    settings = settings_with(store=store, keys=keys, guard=guard, keyring=keyring, nats=nats, data=data)
    found = run_now(restore(settings, source, with_keys=with_keys, pg_bin=pg_bin))
    if as_json:
        typer.echo(json.dumps([asdict(log) | {"behind": log.behind} for log in found]))
    else:
        rows = [
            (log.log, str(log.position), "unknown" if log.guarded is None else str(log.guarded), _next(log))
            for log in found
        ]
        output.table(("log", "events", "signed", "next"), rows)
    if any(log.behind for log in found):
        raise typer.Exit(1)


def _next(log: Restored) -> str:
    return "resync" if log.behind else "start"


def bring_back(
    source: Annotated[
        list[Path], typer.Option("--from", metavar="EXPORT", help="Made with --ciphertexts; repeat it, in order.")
    ],
    partial: Annotated[
        bool, typer.Option("--partial", help="As far as the exports reach, when none reaches to what was signed.")
    ] = False,
    store: StoreUrl = None,
    keys: KeysUrl = None,
    guard: GuardUrl = None,
    keyring: Ring = None,
    nats: NatsUrl = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Append to a restored log what an export has and it lacks: all that was signed, or nothing.

    Services must be stopped. Exits with 1 when the log is still behind what was signed (--partial).
    """
    settings = settings_with(store=store, keys=keys, guard=guard, keyring=keyring, nats=nats, data=data)
    with shown(as_json) as bar:
        log, done = run_now(resync(settings, source, partial=partial, progress=partial_of(bar, "resync")))
    if as_json:
        typer.echo(json.dumps({"log": log, **asdict(done)}))
    else:
        brought = done.after - done.before
        typer.echo(f"{log}: {brought} events brought back, {done.after} of {done.signed} that were signed are there")
    if done.after < done.signed:
        raise typer.Exit(1)


@log_app.command("new-epoch")
def begin(
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays in the log for ever. Name nobody.")],
    log: Annotated[str, typer.Option("--log", help=f"Which: {', '.join(ALL)}.")] = "consent",
    yes: Yes = False,
    store: StoreUrl = None,
    keys: KeysUrl = None,
    guard: GuardUrl = None,
    keyring: Ring = None,
    nats: NatsUrl = None,
    data: Data = None,
) -> None:
    """Continue a log under a new name, when events that were signed are lost and cannot be brought back.

    Re-sync first; see docs/runbooks/log-behind-guard.md. Services must be stopped.
    """
    if log not in ALL:
        raise typer.BadParameter(f"one of {', '.join(ALL)}", param_hint="--log")
    if not 0 < len(reason) <= LONGEST_REASON or not reason.isprintable():
        raise typer.BadParameter(f"1 to {LONGEST_REASON} printable characters", param_hint="--reason")
    if not yes:
        typer.echo("cannot be undone: whoever holds a receipt of what is lost can prove it. Say --yes.", err=True)
        raise typer.Exit(1)
    settings = settings_with(store=store, keys=keys, guard=guard, keyring=keyring, nats=nats, data=data)
    begun = run_now(new_epoch(settings, log, reason))
    typer.echo(f"{begun.kept} events are kept, {begun.signed} were signed\nold name  {begun.old_origin}")
    typer.echo(f"new name  {begun.origin}")
    typer.echo("Give the new verifier key to everybody who verifies: `consentledger audit export` names it.")


@contextmanager
def shown(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that is told of: (what, done, of)."""
    with Progress(console=Console(stderr=True), disable=quiet, transient=True) as progress:
        bars: dict[str, Any] = {}

        def advance(what: str, done: int, of: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what)
            progress.update(bars[what], completed=done, total=of)

        yield advance
