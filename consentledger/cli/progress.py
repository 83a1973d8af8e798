"""The bar that shows how far a long command is: on stderr, and only on a terminal."""

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from consentledger.cli import output


def bar() -> Progress:
    """To be used as a context; gone when it ends."""
    target = output.console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=target, disable=not target.is_terminal, transient=True)
