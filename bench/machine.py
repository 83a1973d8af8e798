"""What the machine can do at this moment: processors, load, and how long a durable write takes.

The disk is probed before and after all else. Where the two differ much, only the ratios mean anything.
"""

import os
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from bench.figures import Figures, median

BLOCK = 8192


def fsync_us(place: Path, seconds: float = 0.5) -> float:
    """The median time of writing 8 KiB and making them durable, in microseconds."""
    path = place / "fsync-probe"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    times: list[float] = []
    try:
        block = os.urandom(BLOCK)
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            os.pwrite(descriptor, block, BLOCK * (len(times) % 128))
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return 1e6 * median(times)


def look(figures: Figures, place: Path, when: str) -> None:
    """Put the facts; `when` is "before" or "after"."""
    if when == "before":
        figures.put("machine.cores", psutil.cpu_count() or 1)
        figures.put("machine.memory_gb", psutil.virtual_memory().total / 1e9)
    figures.put(f"machine.load_{when}", os.getloadavg()[0])
    figures.put(f"machine.fsync_us_{when}", fsync_us(place))


def file_system(place: Path) -> str:
    """The kind of file system that holds `place`: on `tmpfs`, a durable write costs nothing and proves nothing."""
    mounts = [p for p in psutil.disk_partitions(all=True) if place.resolve().is_relative_to(p.mountpoint)]
    return max(mounts, key=lambda p: len(p.mountpoint)).fstype if mounts else "unknown"
