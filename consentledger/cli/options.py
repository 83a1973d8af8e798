"""What every command that asks the server takes: `--server`, `--tenant`, `--json` and `--verbose`.

- `--server`, `--tenant` and `--verbose` may stand before the command too; after it they win.
- A command is a function whose first argument is the `Options`; the others are its own parameters. One whose type is
  a dataclass stands for that dataclass's fields, so that several commands can take the same. One that is named as an
  option above, `tenant`, replaces it.
- A refusal, and a server that gives no answer, end here: they are reported, and become the exit code.
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

import typer

from consentledger.cli.failures import BadFile, Unanswered, report
from consentledger.errors import LedgerError
from consentledger.settings import client_settings

Server = Annotated[
    str | None,
    typer.Option("--server", metavar="HOST:PORT", help="The services; CONSENTLEDGER_SERVER, else 127.0.0.1:50051."),
]
Tenant = Annotated[
    str | None, typer.Option("--tenant", metavar="ID", help="The controller; CONSENTLEDGER_TENANT, else default.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Tell of tries and request ids, on stderr.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class Options:
    """How one command was called."""

    server: str
    """`HOST:PORT` or `unix:PATH`."""
    tenant: str
    """The tenant that it speaks of."""
    named_tenant: str | None
    """The same if the caller named it, None where it is only the usual one."""
    as_json: bool
    """JSON instead of tables."""
    verbose: bool
    """Tell of tries and request ids."""


@dataclass(frozen=True, slots=True)
class Before:
    """What stood before the command."""

    server: str | None = None
    tenant: str | None = None
    verbose: bool = False


_ADDED: dict[str, Any] = {
    "ctx": typer.Context,
    "server": Server,
    "tenant": Tenant,
    "as_json": Json,
    "verbose": Verbose,
}
_DEFAULTS = {"ctx": inspect.Parameter.empty, "server": None, "tenant": None, "as_json": False, "verbose": False}


def group(help: str) -> typer.Typer:
    """An empty group of commands."""
    return typer.Typer(
        help=help, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )


def command(app: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a function as a command; its docstring is the help."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(function).parameters.values())[1:]
        shared = [key for key in _ADDED if all(key != parameter.name for parameter in own)]
        bundles: dict[str, Any] = {each.name: each.annotation for each in own if is_dataclass(each.annotation)}

        def called(ctx: typer.Context, **given: Any) -> None:
            added = {key: given.pop(key) for key in shared if key != "ctx"}
            options = _options(ctx.find_object(Before) or Before(), added)
            for name, bundle in bundles.items():
                given[name] = bundle(**{field.name: given.pop(field.name) for field in fields(bundle)})
            try:
                function(options, **given)
            except (LedgerError, Unanswered, BadFile) as error:
                raise typer.Exit(report(error, as_json=options.as_json)) from None

        taken = [taken for parameter in own for taken in _taken(parameter)]
        taken += [_parameter(key, _DEFAULTS[key], _ADDED[key]) for key in shared]
        # What typer reads instead of the signature above.
        called.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in taken}
        called.__doc__ = function.__doc__
        app.command(name)(called)
        return function

    return add


def _taken(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    bundle = parameter.annotation
    if not is_dataclass(bundle):
        return [_parameter(parameter.name, parameter.default, bundle)]
    hints = get_type_hints(bundle, include_extras=True)
    return [
        _parameter(
            field.name, inspect.Parameter.empty if field.default is MISSING else field.default, hints[field.name]
        )
        for field in fields(bundle)
    ]


def _parameter(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _options(before: Before, after: dict[str, Any]) -> Options:
    settings = client_settings()
    named = after.get("tenant") or before.tenant
    return Options(
        server=after["server"] or before.server or settings.server,
        tenant=named or settings.tenant,
        named_tenant=named,
        as_json=after["as_json"],
        verbose=after["verbose"] or before.verbose,
    )
