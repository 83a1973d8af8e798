"""P1 and P4 at every system call: an append to the embedded log, each call that it makes failing or killing it.

The append is the whole write path: SQLite's commit, the tile that the event completes, the guard, the signed note. For
each fault a log of its own, 254 events long; two events are appended, and afterwards:

- nothing that was acknowledged is lost, the log opens, and fsck finds nothing;
- the guard had taken note of every tree before it was spoken of;
- no two trees of one size were ever spoken of, signed or guarded;
- asking again for what was not acknowledged makes exactly one event of each.
"""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from consentledger.store.fsck.log import Checked, check_log
from consentledger.store.guard_file import FileGuard
from consentledger.store.open import open_store
from consentledger.store.reader import open_reader
from consentledger.store.schema import log_schema
from tests.support.appending import FIRST_PERSON, Append, committing
from tests.support.sealed_log import sealed_log
from tests.support.stores import PROJECTION, opened, stream
from tests.support.syscalls import Fault, Said, plan, require_strace, struck, traced

pytestmark = pytest.mark.fault

PERSONS = 84
BEFORE = 3 * PERSONS + 2
APPENDED = 2
"""The second fills a tile."""
FEW = 16
"""Faults of the short form, spread over all of them."""


@dataclass
class Outcome:
    """What faults have come to."""

    lost: list[str] = field(default_factory=list)
    acknowledged: int = 0
    killed: int = 0
    refused: int = 0


def arguments(folder: Path, *more: str) -> list[str]:
    return ["-m", "tests.support.appending", str(folder), str(APPENDED), *more]


async def base(folder: Path) -> Path:
    """The log to copy."""
    async with opened(f"sqlite:///{folder / 'consent.db'}") as store, sealed_log(store, folder, PERSONS):
        pass
    return folder


async def judge(folder: Path, fault: Fault, said: Said, outcome: Outcome) -> None:
    """See the module's list. What is lost is noted; everything else fails at once."""
    told = [line.split(" ") for line in said.lines if line.startswith("ACK")]
    outcome.acknowledged += len(told)
    outcome.killed += said.code != 0
    outcome.refused += sum(line.startswith("FAIL") for line in said.lines)
    guard = FileGuard(folder / "guard")
    store = await open_store(f"sqlite:///{folder / 'consent.db'}", "consent", PROJECTION)
    roots: dict[int, bytes] = {}
    try:
        origin = str((await store.read("SELECT origin FROM log_name"))[0][0])
        kept = await guard.read(origin)
        assert kept is not None
        roots[kept.size] = kept.root
        async with committing(store, folder, guard) as (log, committer):
            for _, position, size, root in told:
                if int(position) > log.tree.size:
                    outcome.lost.append(str(fault))
                elif root:
                    assert int(size) <= kept.size, f"{fault}: spoken of before the guard knew"
                    assert roots.setdefault(int(size), bytes.fromhex(root)) == bytes.fromhex(root), fault
            for position in range(BEFORE + 1, BEFORE + APPENDED + 1):
                await committer.submit(Append(FIRST_PERSON + position))
            made = await log.checkpoint()
            assert roots.setdefault(made.size, made.root) == made.root, fault
            assert made.size == BEFORE + APPENDED, fault
            for size, expected in roots.items():
                assert (await log.prover.edge(size)).root() == expected, f"{fault}: two trees of {size} events"
            await _sound(folder, guard, origin, fault)
    finally:
        await store.close()
        await guard.close()


async def _sound(folder: Path, guard: FileGuard, origin: str, fault: Fault) -> None:
    reader = await open_reader(f"sqlite:///{folder / 'consent.db'}", log_schema("consent", PROJECTION))
    try:
        found = Checked("consent")
        await check_log(found, reader, await guard.read(origin), lambda done, of: None)
        assert found.findings.clean, f"{fault}: {found.findings.firsts}"
        own = [stream(FIRST_PERSON + n) for n in range(BEFORE + 1, BEFORE + APPENDED + 1)]
        rows = await reader.fetch("SELECT stream FROM event WHERE position > $1", BEFORE)
        assert sorted(row[0] for row in rows) == own, f"{fault}: not exactly one event of each"
    finally:
        await reader.close()


async def strike(folder: Path, faults: Sequence[Fault], *more: str) -> Outcome:
    """Each fault on a log of its own."""
    outcome, origin = Outcome(), await base(folder / "base")
    for number, fault in enumerate(faults):
        place = folder / str(number)
        shutil.copytree(origin, place)
        said = await asyncio.to_thread(struck, arguments(place, *more), fault)
        await judge(place, fault, said, outcome)
        shutil.rmtree(place)
    return outcome


async def every_fault(folder: Path) -> list[Fault]:
    """Of an append that nothing happens to."""
    sample = await base(folder / "sample")
    counts = await asyncio.to_thread(traced, arguments(sample))
    assert {"pwrite64", "fdatasync", "write"} <= counts.keys(), "the append does not write as it is thought to"
    return plan(counts)


def few(faults: Sequence[Fault]) -> list[Fault]:
    """Some, spread evenly, all of fdatasync among them: behind it is what was promised."""
    step = max(1, len(faults) // FEW)
    return [fault for n, fault in enumerate(faults) if n % step == 0 or fault.call == "fdatasync"]


def report(faults: Sequence[Fault], outcome: Outcome, seconds: float) -> None:
    kinds = Counter(fault.what for fault in faults)
    print(f"\n{len(faults)} faults in {seconds:.0f} s {dict(kinds)}: {outcome.acknowledged} acknowledged, "
          f"{outcome.refused} refused, {outcome.killed} processes ended, {len(outcome.lost)} lost; "
          f"at 95 %: < {3 / max(1, len(faults)):.2g} per fault")  # fmt: skip


async def test_no_fault_of_some_system_calls_loses_an_event_or_forks_the_log(tmp_path: Path) -> None:
    require_strace()
    began, faults = time.monotonic(), few(await every_fault(tmp_path))
    outcome = await strike(tmp_path, faults)
    report(faults, outcome, time.monotonic() - began)
    assert outcome.lost == []
    assert outcome.killed and outcome.refused and outcome.acknowledged, "the faults met nothing"


@pytest.mark.slow
async def test_no_fault_of_any_system_call_loses_an_event_or_forks_the_log(tmp_path: Path) -> None:
    require_strace()
    began, faults = time.monotonic(), await every_fault(tmp_path)
    outcome = await strike(tmp_path, faults)
    report(faults, outcome, time.monotonic() - began)
    assert outcome.lost == []
    assert len(faults) >= 200 and outcome.killed and outcome.refused


async def test_an_append_that_is_acknowledged_too_early_is_found_out(tmp_path: Path) -> None:
    """The control."""
    require_strace()
    faults = [fault for fault in await every_fault(tmp_path) if fault.call == "fdatasync"]
    outcome = await strike(tmp_path, faults, "early")
    assert outcome.lost
