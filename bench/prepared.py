"""Ledgers of several sizes on both stores, filled once a run: 10³ people, 10⁵ and, in a long run, 10⁶.

SQLite is filled by the import's own code (`bulk`), PostgreSQL gets the same rows (`transfer`).
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import run
from tests.support import postgres

SMALL, MEDIUM, LARGE = 1_000, 100_000, 1_000_000
NAMES = {SMALL: "1e3", MEDIUM: "1e5", LARGE: "1e6"}
LONGEST_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A filled ledger that nobody has open."""

    store: str
    """`sqlite` or `postgresql`."""
    people: int
    place: Path
    """For `deployment.service`."""
    urls: tuple[str, str]
    """Of the log and of the key store."""


def prepare(folder: Path, database: postgres.External, sizes: Sequence[int]) -> list[Prepared]:
    """Ledgers of these sizes, ascending, on each store."""
    made: list[Prepared] = []
    for people in sizes:
        place = folder / f"sqlite-{people}"
        before = 0
        if made:
            shutil.copytree(made[-2].place, place)
            before = made[-2].people
        made.append(_fill(place, before, people))
        made.append(_transfer(made[-1], folder / f"pg-{people}", database))
    return made


def _fill(place: Path, before: int, people: int) -> Prepared:
    data = place / "data"
    data.mkdir(parents=True, exist_ok=True)
    urls = (f"sqlite:///{data / 'consent.db'}", f"sqlite:///{data / 'keys.db'}")
    job = {"store": urls[0], "keys": urls[1], "keyring": str(data / "keyring.json"), "guard": str(data / "guard")}
    run("bench.bulk", {**job, "first": before, "people": people - before}, seconds=LONGEST_SECONDS)
    return Prepared("sqlite", people, place, urls)


def _transfer(source: Prepared, place: Path, database: postgres.External) -> Prepared:
    data = source.place / "data"
    place.mkdir()
    shutil.copy2(data / "keyring.json", place)
    shutil.copytree(data / "guard", place / "guard")
    urls = database.database(), database.database()
    job = {"from": [str(data / "consent.db"), str(data / "keys.db")], "to": urls}
    run("bench.transfer", job, seconds=LONGEST_SECONDS)
    return Prepared("postgresql", source.people, place, urls)
