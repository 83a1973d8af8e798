"""Runs tests against mutants of the transparency log: `python -m tests.support.mutant_run SHARE OF EVERY`.

Takes one mutant in `EVERY`, and of those the `SHARE`th of `OF` parts. Prints a line of JSON for each: its module and
name, and what killed it, or null. Each runs in a process of its own, forked from one that has nothing but the tests
loaded. A mutant that loops or eats memory is stopped by the kernel, by the time it *computes* and not by the clock.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from tests.support.mutants import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "consentledger.tlog"
SUITES = (
    "spelling",
    "tree",
    "proofs",
    "tiles",
    "checkpoint",
    "keys",
    "note",
    "cosignature",
    "prooffile",
    "policy",
    "c2sp",
)
"""The files `tests/unit/test_tlog_*.py` that mutants are run against."""
_OWN = ("tree", "proofs", "tiles", "spelling", "checkpoint", "keys", "note", "cosignature", "prooffile", "policy")
_OTHERS = {
    "hashing": "tree",
    "plans": "proofs",
    "tilenames": "tiles",
    "signatures": "cosignature",
    "policytext": "policy",
}
MODULES = {name: name for name in _OWN} | _OTHERS
"""The modules that mutants are made of, each with the file that finds most of them and is run first."""
_RELOADED = (PACKAGE, "tests.support.notes", "tests.support.rfc_tree")
_MOST_MEMORY = 2 << 30


class Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Has one module imported as a mutant."""

    def __init__(self, module: str, code: CodeType) -> None:
        self.module, self.code = module, code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The mutant, if it is asked for."""
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.module else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutant's code."""
        exec(self.code, module.__dict__)


Suites = list[tuple[str, CodeType]]


def compiled_suites() -> Suites:
    """The tests, compiled."""
    paths = [(name, ROOT / "tests" / "unit" / f"test_tlog_{name}.py") for name in SUITES]
    return [(name, compile(path.read_text("utf-8"), str(path), "exec")) for name, path in paths]


def killer(suites: Suites) -> str | None:
    """The first test that fails with what is now imported as the package."""
    for name in [name for name in sys.modules if name.startswith(_RELOADED)]:
        del sys.modules[name]
    for name, code in suites:
        module = ModuleType(name)
        try:
            exec(code, module.__dict__)
        except Exception as error:
            return f"{name}: {type(error).__name__} when imported"
        for test in [value for key, value in module.__dict__.items() if key.startswith("test_")]:
            for arguments in _arguments(test):
                try:
                    test(**arguments)
                except pytest.skip.Exception:  # the shared vectors are absent
                    continue
                except BaseException:
                    return f"{name}: {test.__name__}"
    return None


def _arguments(test: object) -> Iterator[dict[str, object]]:
    """What `pytest.mark.parametrize` has a test called with; none for a test that wants a fixture."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    choices = []
    for mark in marks:
        names = mark.args[0].replace(",", " ").split() if isinstance(mark.args[0], str) else list(mark.args[0])
        rows = [[row] if len(names) == 1 else row for row in mark.args[1]]
        choices.append([dict(zip(names, row, strict=True)) for row in rows])
    wanted = set(test.__code__.co_varnames[: test.__code__.co_argcount])  # type: ignore[attr-defined]
    for chosen in itertools.product(*choices):
        arguments = {name: value for one in chosen for name, value in one.items()}
        if wanted <= arguments.keys():
            yield arguments


def run(module: str, suites: Suites, code: CodeType, seconds: float) -> str | None:
    """What kills one mutant."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
        sys.meta_path.insert(0, Planted(f"{PACKAGE}.{module}", code))
        os.write(writing, (killer(suites) or "").encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answer:
        said = answer.read().decode()
    status = os.waitpid(child, 0)[1]
    return said or None if status == 0 else f"stopped by {signal.Signals(os.WTERMSIG(status)).name}"


def all_mutants() -> list[tuple[str, Mutant]]:
    """Those of every module, each with its module."""
    made = list[tuple[str, Mutant]]()
    for module in MODULES:
        path = ROOT / Path(*PACKAGE.split(".")) / f"{module}.py"
        made += [(module, mutant) for mutant in mutants(path.read_text("utf-8"), str(path))]
    return made


def main(share: int, of: int, every: int) -> None:
    """Run one share."""
    suites = compiled_suites()
    begun = time.process_time()
    right = killer(suites)
    assert right is None, f"the package itself is killed by {right}"
    seconds = 1 + 2 * (time.process_time() - begun)
    for module, mutant in all_mutants()[::every][share::of]:
        ordered = sorted(suites, key=lambda suite: suite[0] != MODULES[module])
        killed = run(module, ordered, mutant.code, seconds)
        print(json.dumps({"module": module, "name": mutant.name, "killed": killed}), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
