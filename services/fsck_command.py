"""`consentledger fsck`: compare everything that is stored with what it says, and say where the first difference is."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from consentledger.cli import output
from consentledger.store.fsck.log import Checked
from services.fsck import Report, fsck
from services.operations import Data, GuardUrl, Json, KeysUrl, NatsUrl, StoreUrl, run_now, settings_with

MetricsFile = Annotated[
    Path | None, typer.Option("--metrics", help="Write the result there too, as Prometheus' text format has it.")
]


def add_to(app: typer.Typer) -> None:
    """Add this command to the `consentledger` command."""
    app.command("fsck")(check)


def check(
    store: StoreUrl = None,
    keys: KeysUrl = None,
    guard: GuardUrl = None,
    nats: NatsUrl = None,
    data: Data = None,
    metrics: MetricsFile = None,
    as_json: Json = False,
) -> None:
    """Compare rows, leaves, tree, guard, keys, tables and streams with each other. Changes nothing.

    Exits with 0 when all is well, 1 when something differs, 3 when it could not be compared.
    """
    settings = settings_with(store=store, keys=keys, guard=guard, nats=nats, data=data)
    began = time.monotonic()
    with Progress(console=Console(stderr=True), disable=as_json, transient=True) as progress:
        bars: dict[str, Any] = {}

        def advance(log: str, done: int, of: int) -> None:
            if log not in bars:
                bars[log] = progress.add_task(log)
            progress.update(bars[log], completed=done, total=of)

        report = run_now(fsck(settings, advance))
    seconds = time.monotonic() - began
    if as_json:
        typer.echo(json.dumps(_document(report, seconds)))
    else:
        _screen(report, seconds)
    if metrics is not None:
        _write_metrics(metrics, report, seconds)
    if not report.clean:
        raise typer.Exit(1)


def _document(report: Report, seconds: float) -> dict[str, Any]:
    return {
        "clean": report.clean,
        "seconds": round(seconds, 3),
        "logs": [_log(report, log) for log in report.logs],
        "keys": {"count": report.keys, "orphans": report.orphans},
    }


def _log(report: Report, log: Checked) -> dict[str, Any]:
    first = log.findings.first
    found = {
        "log": log.service,
        "origin": log.origin,
        "position": log.head.position,
        "root": log.head.root.hex(),
        "guarded": log.guarded,
        "streams": log.streams,
        "differences": {
            kind.value: {"count": count, "position": log.findings.firsts[kind].position}
            for kind, count in log.findings.counts.items()
        },
        "first": None,
    }
    if first is not None:
        found["first"] = {"class": first.kind.value, "position": first.position, "detail": first.detail}
    if log.service in report.carried:
        found["carried"] = report.carried[log.service]
    return found


def _screen(report: Report, seconds: float) -> None:
    rows = []
    for log in report.logs:
        first = log.findings.first
        carried = report.carried.get(log.service, "not asked")
        rows.append(
            (
                log.service,
                str(log.head.position),
                "unknown" if log.guarded is None else str(log.guarded),
                "absent" if carried is None else str(carried),
                "clean" if first is None else str(sum(log.findings.counts.values())),
                "" if first is None else f"{first.kind.value} {first.detail}".strip(),
                output.number(first.position) if first is not None else "",
            )
        )
    output.table(("log", "events", "guard", "stream", "differences", "first", "at position"), rows)
    events = sum(log.head.position for log in report.logs)
    output.line(f"{report.keys} person keys, {report.orphans} of persons without events")
    output.line(f"{events} events in {seconds:.1f} s, {events / max(seconds, 1e-9):,.0f} a second")


def _write_metrics(path: Path, report: Report, seconds: float) -> None:
    lines = ["# TYPE consentledger_fsck_differences gauge"]
    for log in report.logs:
        lines.append(f'consentledger_fsck_differences{{log="{log.service}",class="all"}} '
                     f"{sum(log.findings.counts.values())}")  # fmt: skip
        for kind, count in log.findings.counts.items():
            lines.append(f'consentledger_fsck_differences{{log="{log.service}",class="{kind.value}"}} {count}')
    lines.append("# TYPE consentledger_fsck_position gauge")
    lines += [f'consentledger_fsck_position{{log="{log.service}"}} {log.head.position}' for log in report.logs]
    lines += ["# TYPE consentledger_fsck_seconds gauge", f"consentledger_fsck_seconds {seconds:.3f}"]
    lines += ["# TYPE consentledger_fsck_finished_at gauge", f"consentledger_fsck_finished_at {int(time.time())}"]
    # Whole or not at all: whoever collects it must not read half a file.
    beside = path.with_name(f"{path.name}.new")
    beside.write_text("\n".join(lines) + "\n")
    beside.replace(path)
