"""`make demo` shows what it says, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.support.services import ROOT, environment, group

SHOWN = (
    "two downstreams, started late, enforced",
    "✓ before: ALLOWED",
    "✓ after the withdrawal: NOT_ALLOWED",
    "✓ both downstreams struck the person, with evidence",
    "✓ nobody can mail them",
    "✓ still NOT_ALLOWED",
    "✓ with the same evidence",
    "✓ both obligations are still ENFORCED",
    "✓ the newest line is the withdrawal",
    "✓ an auditor replays",
    "✓ offline, without a server: the export and the person's receipt hold",
    "✓ erased after",
    "✓ the history still holds, against the checkpoint and the receipt from before",
    "✓ and who was forgotten is not ALLOWED",
    "✓ fsck: rows, tree, guard, keys and tables agree",
    "✓ the database's owner changes one byte: found, at position 5000",
    "✓ no service starts on a forged withdrawal",
)
"""In this order."""


def test_the_demonstration_shows_the_whole_way_and_leaves_nothing_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.demo"],
        cwd=ROOT, env=environment(TMPDIR=str(tmp_path), COLUMNS="160", NO_COLOR="1"), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        said, _ = process.communicate(timeout=180)
        assert process.returncode == 0, said
        at = -1
        for line in SHOWN:
            assert line in said, said
            assert said.index(line) > at, f"{line!r} comes too early"
            at = said.index(line)
        assert "robin.demo@example.org" not in said
        assert group(process.pid) == []
        assert list(tmp_path.iterdir()) == []
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
