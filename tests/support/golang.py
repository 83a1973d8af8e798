"""Builds the Go programs of `tests/support/go`, which hold the product against other implementations.

They stand on Debian's `golang-golang-x-mod-dev` and nothing that is downloaded. Without Go, or without that package,
the test skips and says so; with CI=true it fails instead.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_SOURCES = Path(__file__).parent / "go"
_GOPATH = Path("/usr/share/gocode")
_NEEDED = _GOPATH / "src/golang.org/x/mod/sumdb/tlog"
_BUILD_SECONDS = 300


def build(program: str, into: Path) -> Path:
    """The program, built from `tests/support/go/<program>`."""
    go = shutil.which("go")
    if go is None or not _NEEDED.is_dir():
        reason = "NOT CHECKED BY THE SECOND IMPLEMENTATION: apt-get install golang-go golang-golang-x-mod-dev"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    built = into / program
    surroundings = {
        "PATH": os.environ["PATH"],
        "GO111MODULE": "off",
        "GOPATH": str(_GOPATH),
        "GOCACHE": str(into / "cache"),
        "CGO_ENABLED": "0",
    }
    command = [go, "build", "-o", str(built), "."]
    done = subprocess.run(
        command, cwd=_SOURCES / program, env=surroundings, capture_output=True, text=True, timeout=_BUILD_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return built
