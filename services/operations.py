"""Commands that work on stores and streams directly, and so know the services: migrate, rebuild, bus.

The `consentledger` command finds them through the entry point `consentledger.commands`; the library imports nothing
of the services. Embedded files belong to the running process: stop it first; PostgreSQL takes them at any time.
"""

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import asdict, replace
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress

from consentledger.bus.connection import Bus, connect
from consentledger.bus.errors import BusError
from consentledger.bus.streams import enforce_stream, ensure_log_stream, ledger_stream, stream_state
from consentledger.crypto.keyring import KeyringUnusable
from consentledger.settings import ServiceSettings, service_settings
from consentledger.store.ledger import SchemaTooOld, StoreUnavailable
from consentledger.store.mark import read_mark
from consentledger.store.open import NotAStore, migrate_guard, migrate_keystore, migrate_store, open_store
from services.consent.projection.rebuild import Rebuilt, rebuild
from services.embedded import ALL, MIGRATIONS, guard_url, keys_url, store_url
from services.notifier.keeper import rebuild_enforce

T = TypeVar("T")
ENFORCE = "ENFORCE"

Data = Annotated[str | None, typer.Option("--data", help="The folder of embedded files; CONSENTLEDGER_DATA.")]
StoreUrl = Annotated[str | None, typer.Option("--store", help="postgresql://…; CONSENTLEDGER_STORE.")]
KeysUrl = Annotated[str | None, typer.Option("--keys", help="The key store; CONSENTLEDGER_KEYS.")]
GuardUrl = Annotated[str | None, typer.Option("--guard", help="The checkpoint guard; CONSENTLEDGER_GUARD.")]
NatsUrl = Annotated[str | None, typer.Option("--nats", help="nats://…; CONSENTLEDGER_NATS.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

bus_app = typer.Typer(help="The streams that carry the log.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the `consentledger` command."""
    app.command("migrate")(migrate)
    app.command("rebuild")(rebuild_projection)
    app.add_typer(bus_app, name="bus")


def migrate(store: StoreUrl = None, keys: KeysUrl = None, guard: GuardUrl = None, data: Data = None) -> None:
    """Bring every service's database, the key store and the guard up to date. Safe to repeat, several at once too."""
    settings = settings_with(store=store, keys=keys, guard=guard, data=data)
    run_now(_migrate(settings))
    Console().print("up to date")


def rebuild_projection(store: StoreUrl = None, data: Data = None, as_json: Json = False) -> None:
    """Drop the consent service's tables and make them again from the log. Exits 1 when they were not what it says."""
    rebuilt = run_now(_rebuild(settings_with(store=store, data=data), quiet=as_json))
    same = rebuilt.before == rebuilt.after
    if as_json:
        typer.echo(json.dumps(asdict(rebuilt) | {"same": same}))
    else:
        console = Console()
        console.print(f"{rebuilt.streams} streams replayed")
        console.print(f"digest before  {rebuilt.before}\ndigest after   {rebuilt.after}")
        console.print("the projection was what the log says" if same else "the projection differed, and is mended")
    if not same:
        raise typer.Exit(1)


@bus_app.command("status")
def status(nats: NatsUrl = None, store: StoreUrl = None, data: Data = None, as_json: Json = False) -> None:
    """How far each log is, and how far it is carried."""
    found = run_now(_status(settings_with(nats=nats, store=store, data=data)))
    if as_json:
        typer.echo(json.dumps(found))
        return
    for line in found:
        typer.echo("  ".join(f"{k}={v}" for k, v in line.items()))


@bus_app.command("rebuild")
def rebuild_bus(nats: NatsUrl = None, store: StoreUrl = None, data: Data = None) -> None:
    """Make streams that were lost anew, at the position up to which each log is known to have been carried.

    The services then carry on: the consent service publishes what follows, the notifier fetches what it had not taken
    in. Every obligation that is not settled is sent again. Nothing is lost with the streams, since they hold nothing
    that the logs do not.
    """
    made = run_now(_rebuild_bus(settings_with(nats=nats, store=store, data=data)))
    typer.echo("\n".join(f"{name}: made anew" for name in made) or "every stream is there")


async def _migrate(settings: ServiceSettings) -> None:
    for name in ALL:
        await migrate_store(store_url(settings, name), name, MIGRATIONS[name])
    await migrate_keystore(keys_url(settings))
    await migrate_guard(guard_url(settings))


async def _rebuild(settings: ServiceSettings, *, quiet: bool) -> Rebuilt:
    store = await open_store(store_url(settings, "consent"), "consent", MIGRATIONS["consent"])
    try:
        with Progress(console=Console(stderr=True), disable=quiet, transient=True) as progress:
            task = progress.add_task("replaying", total=None)
            return await rebuild(store, lambda done, of: progress.update(task, completed=done, total=of))
    finally:
        await store.close()


async def _status(settings: ServiceSettings) -> list[dict[str, object]]:
    bus = await _bus(settings)
    found: list[dict[str, object]] = []
    try:
        for name in ALL:
            store = await open_store(store_url(settings, name), name, MIGRATIONS[name])
            try:
                head, marked = (await store.head()).position, await read_mark(store)
            finally:
                await store.close()
            spec = ledger_stream(name)
            state = await stream_state(bus, spec.name)
            carried = state.last if state is not None else None
            found.append({"service": name, "stream": spec.name, "log": head, "marked": marked, "carried": carried})
    finally:
        await bus.close()
    return found


async def _rebuild_bus(settings: ServiceSettings) -> list[str]:
    bus = await _bus(settings)
    made = []
    try:
        for name in ALL:
            store = await open_store(store_url(settings, name), name, MIGRATIONS[name])
            try:
                spec, marked = ledger_stream(name), await read_mark(store)
                if (await ensure_log_stream(bus, spec, published=marked, rebuild=True)).created:
                    made.append(spec.name)
                if name == "notifier" and await stream_state(bus, ENFORCE) is None:
                    again = await rebuild_enforce(store, bus, enforce_stream())
                    made.append(f"{ENFORCE} ({again} obligations sent again)")
            finally:
                await store.close()
    finally:
        await bus.close()
    return made


async def _bus(settings: ServiceSettings) -> Bus:
    if not settings.nats:
        raise BusError("name a server by --nats; the embedded one is looked after by the process that owns it")
    return await connect(settings.nats, "consentledger", credentials=settings.nats_credentials or None)


def settings_with(**given: str | None) -> ServiceSettings:
    """The environment's settings, but for what was given."""
    return replace(service_settings(), **{name: value for name, value in given.items() if value})  # type: ignore[arg-type]


def run_now(work: Awaitable[T]) -> T:
    """Do it, and end with 3 and the reason when it cannot be done."""

    async def waited() -> T:
        return await work

    try:
        return asyncio.run(waited())
    except (NotAStore, StoreUnavailable, SchemaTooOld, BusError, KeyringUnusable) as refusal:
        typer.echo(f"cannot: {refusal}", err=True)
        raise typer.Exit(3) from None
