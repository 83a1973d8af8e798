"""The files that the architecture tests read: ours, never generated ones or what `make` leaves behind.

Walks the tree and not git, so that a tree without its history is checked too.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "consentledger" / "v1"
NOT_OURS = {".git", ".venv", "venv", "build", "dist", "node_modules", "__pycache__", ".data"}
SKIPPED_SUFFIXES = (".egg-info", "_cache", ".hypothesis")


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path from the root, with slashes, and its text."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        """The file, parsed."""
        return _parsed(self.path, self.text)


@cache
def _parsed(path: str, text: str) -> ast.Module:
    return ast.parse(text, filename=path)


@cache
def files() -> tuple[Path, ...]:
    """All files of ours, sorted."""
    return tuple(sorted(_walk(ROOT)))


@cache
def python() -> tuple[Source, ...]:
    """All Python files of ours."""
    return tuple(Source(name(path), path.read_text("utf-8")) for path in files() if path.suffix == ".py")


def product() -> tuple[Source, ...]:
    """The Python files of what is shipped: the library, the verifier and the services."""
    shipped = ("consentledger/", "consentledger_verify/", "services/")
    return tuple(source for source in python() if source.path.startswith(shipped))


def domains() -> tuple[Source, ...]:
    """The Python files of the services' domains."""
    return tuple(
        source
        for source in product()
        if source.path.startswith("services/") and source.path.split("/")[2:3] in (["domain"], ["domain.py"])
    )


def name(path: Path) -> str:
    """The path from the root, with slashes."""
    return path.relative_to(ROOT).as_posix()


def _walk(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.is_symlink() or entry.name in NOT_OURS or entry.name.endswith(SKIPPED_SUFFIXES) or entry == GENERATED:
            continue
        if entry.is_dir():
            yield from _walk(entry)
        else:
            yield entry
