"""`python -m tests.support.replica [--clock-offset SECONDS] [--flaw NAME] [--die-at STEP] …`: the services, changed.

Everything else on the command line is for `python -m services`. Flaws are for controls: a harness that does not find
them proves nothing.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from consentledger.store.committer import Committer
from services import embedded
from services.__main__ import main
from services.consent import service
from services.consent.checking import Checks
from services.consent.eraser import STEPS, Eraser

SLOW_DISK_SECONDS = 0.01
STALE_SECONDS = 0.1


class AcknowledgesBeforeCommit(Committer):
    """Answers as soon as it has decided; what it decided is committed a moment later, unless it is killed."""

    async def _decide_all(self, *args: Any) -> Any:
        result = await super()._decide_all(*args)
        for waiting, committed in result.done:
            if not waiting.future.done():
                waiting.future.set_result(committed)
        await asyncio.sleep(SLOW_DISK_SECONDS)
        return result


class AnswersFromMemory(Checks):
    """Takes every check for one that asked for `minimize_latency`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "staleness_seconds": STALE_SECONDS})

    async def check(self, r: Any) -> Any:
        r.consistency.minimize_latency = True
        return await super().check(r)


def _dying_at(last: str) -> Callable[[str], None]:
    """Ends the process at this step of an erasure, as SIGKILL would: nothing is flushed or finished."""

    def at_step(step: str) -> None:
        if step == last:
            os._exit(9)

    return at_step


def _acknowledge_before_commit() -> None:
    vars(service)["Committer"] = AcknowledgesBeforeCommit


def _answer_from_memory() -> None:
    vars(service)["Checks"] = AnswersFromMemory


FLAWS: dict[str, Callable[[], None]] = {
    "acknowledges-before-commit": _acknowledge_before_commit,
    "answers-from-memory": _answer_from_memory,
}


def run(arguments: Sequence[str]) -> int:
    """Change what is asked for, then be the services."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--clock-offset", type=float, default=0.0)
    parser.add_argument("--flaw", choices=sorted(FLAWS))
    parser.add_argument("--die-at", choices=STEPS)
    given, rest = parser.parse_known_args(arguments)
    if given.flaw:
        FLAWS[given.flaw]()
    if given.die_at:
        dying = {"at_step": _dying_at(given.die_at)}
        vars(service)["Eraser"] = lambda *args, **options: Eraser(*args, **{**options, **dying})
    real, offset_us = embedded.clock, int(given.clock_offset * 1_000_000)
    embedded.clock = lambda: real() + offset_us
    return main(rest)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
