"""What was measured: a flat map of names to numbers, which of them have a target, and how they are shown.

- A name ends in `.ratio` when it is a ratio to a floor of the same rounds, and in its unit otherwise.
- A target is a statement about the product, met or not; it never fails the run, because a machine may be busy.
"""

import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

T = TypeVar("T")

LATEST = Path(__file__).with_name("latest.json")

TARGETS: dict[str, tuple[str, float]] = {
    "check.sqlite.ratio": (">=", 0.80),
    "check.postgresql.ratio": (">=", 0.90),
    "check.sqlite.unloaded_p50.ratio": ("<=", 2.0),
    "check.postgresql.unloaded_p50.ratio": ("<=", 2.0),
    "record.postgresql.ratio": (">=", 0.50),
    "ledger.overhead": ("<=", 0.15),
    "receipts.sqlite.latency.ratio": ("<=", 1.2),
    "receipts.postgresql.latency.ratio": ("<=", 1.2),
    "batch.checks_per_second": (">=", 100_000),
    "fanout.p50.ratio": ("<=", 2.0),
    "fanout.p99.ratio": ("<=", 4.0),
    "replay.ratio": (">=", 0.40),
    "export.ratio": (">=", 0.40),
    "verify.events_per_second": (">=", 25_000),
    "verify.peak_rss_mb": ("<=", 1_000),
    "proofs.per_second": (">=", 1_000),
    "growth.1e5.ratio": ("<=", 1.2),
    "growth.1e6.ratio": ("<=", 1.2),
}


def rounds(count: int, candidates: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Each candidate once a round, in an order that shifts from round to round, so that none is always first."""
    found: dict[str, list[T]] = {name: [] for name in candidates}
    order = list(candidates)
    for n in range(count):
        shift = n % len(order)
        for name in order[shift:] + order[:shift]:
            found[name].append(candidates[name]())
    return found


def median(values: Iterable[float]) -> float:
    """The median."""
    return statistics.median(values)


def median_ratio(ours: Sequence[float], floor: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(ours, floor, strict=True))


class Figures:
    """The numbers of one run, in the order in which they were found."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._notes: list[str] = []

    def put(self, name: str, value: float) -> None:
        """Keep a number; rounded to four digits, since no more of them mean anything."""
        self._values[name] = float(f"{value:.4g}")

    def get(self, name: str) -> float | None:
        """A number found so far."""
        return self._values.get(name)

    def note(self, text: str) -> None:
        """Keep a sentence that a reader of the numbers must know."""
        self._notes.append(text)

    def write(self, path: Path = LATEST) -> None:
        """Save as JSON."""
        path.write_text(json.dumps(self._values, indent=1) + "\n")

    def show(self, console: Console) -> None:
        """Print the table: ratios first, then all else."""
        table = Table(title="Consent Ledger against the floors of this machine")
        for column, justify in (("figure", "left"), ("measured", "right"), ("target", "right"), ("", "left")):
            table.add_column(column, justify=justify)  # type: ignore[arg-type]
        ratios = [n for n in self._values if n.endswith(".ratio") or n in TARGETS]
        for name in [*ratios, *(n for n in self._values if n not in ratios)]:
            if name == ratios[-1] if ratios else False:
                table.add_row(*self._row(name), end_section=True)
            else:
                table.add_row(*self._row(name))
        console.print(table)
        for text in self._notes:
            console.print(f"[dim]{text}[/dim]")

    def _row(self, name: str) -> tuple[str, str, str, str]:
        value = self._values[name]
        shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
        if name not in TARGETS:
            return name, shown, "", ""
        relation, bound = TARGETS[name]
        met = value >= bound if relation == ">=" else value <= bound
        return name, shown, f"{relation} {bound:,g}", "[green]met[/green]" if met else "[red]missed[/red]"
