"""The log's package imports so little that it can be read whole: by name, so that a new import is a decision."""

import ast
from pathlib import Path

from consentledger import tlog

ALLOWED = {
    "binascii",
    "collections.abc",
    "cryptography.exceptions",
    "cryptography.hazmat.primitives.asymmetric",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "dataclasses",
    "hashlib",
    "itertools",
    "re",
    "typing",
}
FORBIDDEN_CALLS = {"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint"}


def test_the_log_imports_nothing_that_can_block_remember_or_surprise() -> None:
    sources = sorted(Path(tlog.__path__[0]).glob("*.py"))
    assert len(sources) > 10
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text("utf-8"))):
            names = set()
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = {str(node.module)}
            ours = {name for name in names if name.startswith("consentledger.tlog.")}
            assert names - ours <= ALLOWED, source.name
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in FORBIDDEN_CALLS, source.name
