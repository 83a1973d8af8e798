"""What the source must keep, where import-linter cannot see it: each rule takes a `Source` and names its breaches.

Pure, so that each rule is also run on a file that breaks it: a rule that finds nothing anywhere proves nothing.
"""

import ast
import re
from collections.abc import Iterator

from tests.architecture.sources import Source

MOST_LINES = 300
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter"}
CHANCE = {"uuid1", "uuid4", "urandom", "token_bytes", "token_hex", "randbytes", "getrandbits"}
UNDECIDED = {"time", "random", "secrets", "os", "asyncio", "threading"}
SQL = re.compile(
    r"\s*(SELECT\s.+\sFROM\s|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|CREATE\s+TABLE\s)",
    re.IGNORECASE | re.DOTALL,
)


def environment(source: Source) -> Iterator[str]:
    """Each place that reads or changes the environment."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT and _is_name(node.value, "os"):
            yield f"{source.path}:{node.lineno} os.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            for imported in node.names:
                if imported.name in ENVIRONMENT | {"*"}:
                    yield f"{source.path}:{node.lineno} from os import {imported.name}"


def clock_or_chance(source: Source) -> Iterator[str]:
    """Each place that asks a clock or draws at random, or imports what does."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for imported in node.names:
                if imported.name.split(".")[0] in UNDECIDED:
                    yield f"{source.path}:{node.lineno} import {imported.name}"
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] in UNDECIDED:
                yield f"{source.path}:{node.lineno} from {node.module} import"
            for imported in node.names:
                if imported.name in CHANCE:
                    yield f"{source.path}:{node.lineno} {imported.name}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in CLOCKS | CHANCE:
                yield f"{source.path}:{node.lineno} {node.func.attr}()"
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await):
            yield f"{source.path}:{node.lineno} asynchronous"


def sql(source: Source) -> Iterator[str]:
    """Each statement of SQL."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
            yield f"{source.path}:{node.lineno} {' '.join(node.value.split())[:40]}"


def too_long(source: Source) -> Iterator[str]:
    """The file, when it has more lines than one idea needs."""
    lines = len(source.text.splitlines())
    if lines > MOST_LINES:
        yield f"{source.path} has {lines} lines; look for the idea that wants out"


def no_docstring(source: Source) -> Iterator[str]:
    """The package, when its `__init__.py` does not map its folder, or does anything else."""
    if not source.path.endswith("__init__.py"):
        return
    if ast.get_docstring(source.tree) is None:
        yield f"{source.path} has no docstring"
    elif len(source.tree.body) > 1:
        yield f"{source.path} holds more than a docstring"


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
