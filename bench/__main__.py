"""`python -m bench [--quick] [--only check,record]`: measure, print the table, write bench/latest.json.

--quick takes less than five minutes and has at most 100,000 people; the whole run about half an hour. What cannot be
measured here is said, the rest is still measured, and the exit status is 1.
"""

import argparse
import contextlib
import sys
from collections.abc import Callable

from rich.console import Console

from bench import batch, check, fanout, growth, machine, overhead, record, replay, verify, writes
from bench.deployment import folder
from bench.figures import Figures
from bench.processes import Failed
from bench.stand import Stand
from tests.support.postgres import PostgresMissing

SUBJECTS: dict[str, Callable[[Stand], None]] = {
    "check": check.measure,
    "batch": batch.measure,
    "record": record.measure,
    "overhead": overhead.measure,
    "writes": writes.measure,
    "fanout": fanout.measure,
    "replay": replay.measure,
    "verify": verify.measure,
    "growth": growth.measure,
}


def main(arguments: list[str]) -> int:
    """0 when everything asked for was measured; targets that are missed do not matter for it."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, fewer people")
    parser.add_argument("--only", default=",".join(SUBJECTS), help=f"of {', '.join(SUBJECTS)}")
    given = parser.parse_args(arguments)
    names = given.only.split(",")
    if unknown := set(names) - set(SUBJECTS):
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    console, figures = Console(), Figures()
    complete = True
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(folder())
        if machine.file_system(place) == "tmpfs":
            figures.note("The temporary folder is in memory: writes look faster than they are. Set TMPDIR to a disk.")
        machine.look(figures, place, "before")
        stand = Stand(place, stack, figures, console, quick=given.quick)
        for name in names:
            try:
                SUBJECTS[name](stand)
            except (Failed, PostgresMissing) as failure:
                complete = False
                console.print(f"[red]{name}:[/red] {failure}", markup=True, highlight=False)
        machine.look(figures, place, "after")
    figures.write()
    figures.show(console)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
