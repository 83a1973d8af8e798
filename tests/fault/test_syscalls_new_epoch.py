"""Continuing a log under a new name, each system call of it failing or killing: it is the old log, or the new one.

The old one is still refused, and can be continued again; the new one starts. Nothing was signed twice under one name.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from consentledger.crypto.keyring import FileKeyring
from consentledger.store.guard import CLOSED, BehindGuard, Guarded
from consentledger.store.guard_file import FileGuard
from consentledger.store.newepoch import NotBehind, begin_epoch
from tests.support.sealed_log import entries_of, grow, sealed_log
from tests.support.signed import signed
from tests.support.stores import opened
from tests.support.syscalls import Fault, plan, require_strace, struck, traced

pytestmark = pytest.mark.fault

PERSONS, KEPT = 9, 29
FEW = 24


async def base(folder: Path) -> str:
    """A log that is behind its guard; its name."""
    async with opened(f"sqlite:///{folder / 'consent.db'}") as store, sealed_log(store, folder, PERSONS) as made:
        origin = made.log.notary.origin
    guard = FileGuard(folder / "guard")
    await guard.advance(origin, Guarded(KEPT + 5, b"r" * 32))
    await guard.close()
    return origin


def arguments(folder: Path) -> list[str]:
    return ["-m", "tests.support.epoching", str(folder)]


async def judge(folder: Path, old: str, fault: Fault, said: Sequence[str]) -> str:
    """Whether it was the old one or the new one that was found; either goes on."""
    guard, provider = FileGuard(folder / "guard"), FileKeyring.open(folder / "keyring.json")
    async with opened(f"sqlite:///{folder / 'consent.db'}") as store:
        try:
            size = (await store.head()).position
            found = "old" if size == KEPT else "new"
            assert not (found == "old" and any(line.startswith("DONE") for line in said)), (
                f"{fault}: said, and not done"
            )
            if found == "old":
                with pytest.raises(BehindGuard):
                    async with signed(store, "consent", provider, folder):
                        pass
                await begin_epoch(store, "consent", provider, guard, "again", lambda: 1)
            else:
                with pytest.raises(NotBehind):
                    await begin_epoch(store, "consent", provider, guard, "again", lambda: 1)
            async with signed(store, "consent", provider, folder) as log:
                assert log.tree.size == KEPT + 1 and len(log.notary.vkeys) == 2, fault
                await grow(log, entries_of(20, KEPT + 1))
            assert await guard.read(old) == CLOSED, fault
        finally:
            await guard.close()
    return found


async def strike(folder: Path, faults: Sequence[Fault]) -> Counter[str]:
    (folder / "base").mkdir()
    old, outcomes = await base(folder / "base"), Counter[str]()
    for number, fault in enumerate(faults):
        place = folder / str(number)
        shutil.copytree(folder / "base", place)
        said = await asyncio.to_thread(struck, arguments(place), fault)
        outcomes[await judge(place, old, fault, said.lines)] += 1
        shutil.rmtree(place)
    print(f"\n{len(faults)} faults: {dict(outcomes)}")
    return outcomes


async def every_fault(folder: Path) -> list[Fault]:
    (folder / "sample").mkdir()
    await base(folder / "sample")
    return plan(await asyncio.to_thread(traced, arguments(folder / "sample")))


async def test_some_faults_leave_the_old_log_or_the_new_one(tmp_path: Path) -> None:
    require_strace()
    faults = await every_fault(tmp_path)
    step = max(1, len(faults) // FEW)
    outcomes = await strike(tmp_path, [f for n, f in enumerate(faults) if n % step == 0 or f.call == "fdatasync"])
    assert outcomes["old"] and outcomes["new"], "the faults met only one side of the commit"


@pytest.mark.slow
async def test_every_fault_leaves_the_old_log_or_the_new_one(tmp_path: Path) -> None:
    require_strace()
    outcomes = await strike(tmp_path, await every_fault(tmp_path))
    assert outcomes["old"] and outcomes["new"]
