"""What no file of the repository may name: a package registry's host, or a path of one machine."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, files, name

# Put together here, so that this file does not name them either.
HOSTS = (
    "pypi" + ".org",
    "python" + "hosted.org",
    "registry." + "npmjs.org",
    "registry." + "yarnpkg.com",
    "deb." + "debian.org",
    "archive." + "ubuntu.com",
    "proxy." + "golang.org",
    "crates" + ".io",
)
PATHS = re.compile(r"(?<![\w./-])/" + r"(work|root|home/\w+|Users/\w+)/")
REQUIREMENT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*==\S+")


def breaches(path: str, text: str) -> list[str]:
    """The lines that name a registry's host or a path of one machine."""
    return [
        f"{path}:{number}"
        for number, line in enumerate(text.splitlines(), 1)
        if any(host in line for host in HOSTS) or PATHS.search(line)
    ]


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    found = []
    for path in files():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += breaches(name(path), text)
    assert found == []


@pytest.mark.parametrize("line", ["--index-url https://" + HOSTS[0] + "/simple", "open('/" + "work/main/x')"])
def test_a_breach_is_found(line: str) -> None:
    assert breaches("planted", line) == ["planted:1"]


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_every_locked_package_has_hashes(lock: str) -> None:
    lines = (ROOT / lock).read_text("utf-8").splitlines()
    pinned = [number for number, line in enumerate(lines) if REQUIREMENT.match(line)]
    assert pinned
    assert [lines[number] for number in pinned if "--hash=sha256:" not in lines[number + 1]] == []


def test_both_locks_agree() -> None:
    def versions(lock: str) -> dict[str, str]:
        found = (REQUIREMENT.match(line) for line in (ROOT / lock).read_text("utf-8").splitlines())
        return dict(match.group().split("==") for match in found if match)

    runtime, everything = versions("requirements.txt"), versions("requirements-dev.txt")
    assert runtime.items() <= everything.items()


def test_the_embedded_extra_is_what_tests_run_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = Path(ROOT / "requirements-dev.in").read_text("utf-8").splitlines()
    assert set(project["optional-dependencies"]["embedded"]) <= set(wanted)
