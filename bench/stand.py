"""What all measurements of a run share: how thorough it is, its folder, its database server, its running services.

Services are started when a measurement first asks for them and stopped when the run ends.
"""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from bench import deployment
from bench.deployment import Served
from bench.figures import Figures
from bench.load import Job
from bench.prepared import LARGE, MEDIUM, SMALL, Prepared, prepare
from bench.processes import Failed, Meter, run
from tests.support import postgres

PEOPLE = 2_000
"""How many people are in the ledger that calls are measured on; `growth` has more."""


class Stand:
    """One run."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack, figures: Figures, console: Console, *, quick: bool):
        self.folder = folder
        self.figures = figures
        self.quick = quick
        self.rounds = 3 if quick else 5
        """Of the figures that matter most."""
        self.few_rounds = 2 if quick else 3
        """Of those that differ less from round to round."""
        self.seconds = 0.8 if quick else 3.0
        """How long one measurement of one candidate takes."""
        self._stack = stack
        self._console = console

    def say(self, text: str) -> None:
        """Tell whoever waits what is going on."""
        self._console.print(f"[dim]{text}[/dim]")

    @functools.cached_property
    def database(self) -> postgres.External:
        """The PostgreSQL server."""
        self.say("starting PostgreSQL")
        return self._stack.enter_context(deployment.database_server(self.folder))

    @functools.cached_property
    def echo(self) -> tuple[str, Meter]:
        """The floor's server."""
        return self._stack.enter_context(deployment.echo())

    @functools.cached_property
    def sqlite(self) -> Served:
        """Ours on SQLite, with people."""
        return self._populated(self._stack.enter_context(deployment.service(self.folder / "sqlite")))

    @functools.cached_property
    def postgresql(self) -> Served:
        """Ours on PostgreSQL, with people."""
        return self._populated(self._stack.enter_context(deployment.service(self.folder / "pg", self.database)))

    @functools.cached_property
    def ledgers(self) -> list[Prepared]:
        """Ledgers of several sizes; the last of each store is the largest."""
        sizes = (SMALL, MEDIUM) if self.quick else (SMALL, MEDIUM, LARGE)
        self.say(f"filling ledgers with up to {sizes[-1]:,} people on each store")
        return prepare(self.folder, self.database, sizes)

    @contextlib.contextmanager
    def serving(self, ledger: Prepared, *, index_memory: int | None = None) -> Iterator[Served]:
        """A service on a prepared ledger."""
        database = None if ledger.store == "sqlite" else self.database
        with deployment.service(ledger.place, database, index_memory=index_memory, urls=ledger.urls) as served:
            yield served

    def _populated(self, served: Served) -> Served:
        self.say(f"{served.name}: {PEOPLE:,} people through ImportConsents")
        deployment.populate(served, PEOPLE)
        return served


class Load:
    """Runs one job against one server and says what everyone's CPU was."""

    def __init__(self, address: str, server: Meter, nats: Meter | None = None, database: Meter | None = None) -> None:
        self._address = address
        self._meters = {"server": server, "nats": nats or Meter(()), "database": database or Meter(())}

    @classmethod
    def of(cls, served: Served) -> "Load":
        """Against a service."""
        return cls(served.address, served.server, served.nats, served.database)

    def __call__(self, method: str, in_flight: int, seconds: float, **more: object) -> "Measured":
        job = Job(self._address, method, in_flight, seconds, connections=min(4, in_flight), **more)  # type: ignore[arg-type]
        before = {name: meter.seconds() for name, meter in self._meters.items()}
        outcome = run("bench.load", asdict(job), seconds=seconds + 60)
        after = {name: meter.seconds() for name, meter in self._meters.items()}
        if outcome["errors"] or not outcome["calls"]:
            raise Failed(f"{method}: {outcome['errors']} errors, {outcome['calls']} answers")
        return Measured(outcome, {n: 1e6 * (after[n] - before[n]) / outcome["all_calls"] for n in before})


class Measured:
    """What one job found."""

    def __init__(self, outcome: dict[str, float], cpu_us: dict[str, float]) -> None:
        self.per_second = outcome["per_second"]
        self.p50 = outcome["p50"]
        """Milliseconds."""
        self.p99 = outcome["p99"]
        self.client_us = outcome["cpu_us"]
        self.cpu_us = cpu_us
        """CPU in µs a call of `server`, `nats` and `database`."""
