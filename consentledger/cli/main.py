"""The `consentledger` command: its groups, and the one place where it ends.

Not here: any command. A group joins by a line in `GROUPS`, single commands by a function in `COMMANDS`.
"""

import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import NoReturn

import typer
from typer.main import get_command

from consentledger.cli import (
    acts,
    downstreams,
    erasing,
    importing,
    notices,
    obligations,
    preferences,
    purposes,
    questions,
    receipts,
    standing,
    subjects,
    tenants,
    tiles,
    timeline,
    witness,
)
from consentledger.cli.failures import ExitCode, explain_defect, explain_usage
from consentledger.cli.options import Before, Server, Tenant, Verbose, group

GROUPS: list[tuple[str, typer.Typer]] = [
    ("preferences", preferences.app),
    ("tenants", tenants.app),
    ("purposes", purposes.app),
    ("notices", notices.app),
    ("downstreams", downstreams.app),
    ("obligations", obligations.app),
    ("hold", erasing.app),
    ("audit", tiles.app),
    ("receipt", receipts.app),
    ("subject", subjects.app),
    ("witness", witness.app),
]
"""Groups of commands, by name."""

COMMANDS: list[Callable[[typer.Typer], None]] = [
    acts.add_to,
    standing.add_to,
    questions.add_to,
    timeline.add_to,
    importing.add_to,
    erasing.add_to,
]
"""What adds commands that stand alone."""


OTHERS = "consentledger.commands"
"""The entry points through which other packages add commands: functions that take the app."""


def build() -> typer.Typer:
    """The whole command."""
    app = group("Record what people agreed to, ask what may be done, check the history.")
    app.callback()(_before)
    for add_to in COMMANDS:
        add_to(app)
    for name, commands in GROUPS:
        app.add_typer(commands, name=name)
    for point in entry_points(group=OTHERS):
        point.load()(app)
    return app


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; returns the exit code. 0 only after everything was done and printed."""
    try:
        code = get_command(build()).main(args=list(arguments), prog_name="consentledger", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        return explain_usage(error)
    except typer.Abort:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output is gone. Python would complain again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.REFUSED
    except Exception as error:
        return explain_defect(error)
    return int(code or ExitCode.OK)


def run() -> NoReturn:
    """The entry point."""
    sys.exit(main(sys.argv[1:]))


def _before(ctx: typer.Context, server: Server = None, tenant: Tenant = None, verbose: Verbose = False) -> None:
    """Record what people agreed to, ask what may be done, check the history.

    A SUBJECT is namespace:id, such as email:ada@example.org; - reads it from stdin.

    Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no answer from the server, 4 a check that is NOT_ALLOWED.
    """
    ctx.obj = Before(server=server, tenant=tenant, verbose=verbose)
