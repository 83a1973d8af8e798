"""Makes wrong versions of a Python file, each wrong in one place: what tests must notice.

Comparisons are turned round and moved by one, numbers are moved by one, checks are dropped, `and` becomes `or`,
arguments change places. Left alone are docstrings, annotations, decorators, imports, `__all__` and the words of
exceptions.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_FUNCTIONS = {"all": "any", "any": "all", "min": "max", "max": "min"}
_UNTOUCHED = {"returns", "annotation", "decorator_list", "exc", "bases"}


@dataclass(frozen=True)
class Mutant:
    """One wrong version."""

    name: str
    """Where it is wrong and how: `verify_inclusion: index < size -> index <= size`. Does not hold line numbers, so that
    it stays when the file moves."""
    code: CodeType
    """The whole file, compiled."""


def mutants(source: str, file: str) -> list[Mutant]:
    """All mutants of a file, always in the same order."""
    tree, made, seen = ast.parse(source), list[Mutant](), Counter[str]()
    for place in _places(tree, "module"):
        for changed in _changes(place.node):
            name = f"{place.function}: {_text(place.node)} -> {_text(changed)}"
            seen[name] += 1
            name += f" #{seen[name]}" if seen[name] > 1 else ""
            place.put(changed)
            made.append(Mutant(name, compile(ast.fix_missing_locations(tree), file, "exec")))
            place.put(place.node)
    return made


@dataclass(frozen=True)
class _Place:
    parent: ast.AST
    field: str
    index: int | None
    node: ast.AST
    function: str

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def _places(parent: ast.AST, function: str) -> Iterator[_Place]:
    for field, value in ast.iter_fields(parent):
        if field in _UNTOUCHED and not (field == "exc" and isinstance(parent, ast.ExceptHandler)):
            continue
        for index, node in enumerate(value) if isinstance(value, list) else ((None, value),):
            if not isinstance(node, ast.AST) or _left_alone(node):
                continue
            inside = node.name if isinstance(node, ast.FunctionDef | ast.ClassDef) else function
            yield _Place(parent, field, index, node, function)
            yield from _places(node, inside)


def _left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
        return True
    return isinstance(node, ast.Import | ast.ImportFrom)


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(left, ops, comparators):
            for i, op in enumerate(ops):
                for other in _COMPARISONS.get(type(op), ()):
                    yield ast.Compare(left, [*ops[:i], other(), *ops[i + 1 :]], comparators)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for i in range(len(values)):
                rest = values[:i] + values[i + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.BinOp(left, op, right) if type(op) in _OPERATORS:
            yield ast.BinOp(left, _OPERATORS[type(op)](), right)
        case ast.AugAssign(target, op, value) if type(op) in _OPERATORS:
            yield ast.AugAssign(target, _OPERATORS[type(op)](), value)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() as value):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.Constant(str() as value):
            yield ast.Constant(value + "x")
        case ast.Constant(bytes() as value):
            yield ast.Constant(value + b"x")
        case ast.If(_, body, orelse):
            yield ast.If(ast.Constant(True), body, orelse)
            yield ast.If(ast.Constant(False), body, orelse)
        case ast.IfExp(_, body, orelse):
            yield body
            yield orelse
        case ast.While(_, body, orelse):
            yield ast.While(ast.Constant(False), body, orelse)
        case ast.comprehension(target, source, ifs, is_async) if ifs:
            yield ast.comprehension(target, source, [], is_async)
        case ast.Return(value) if value is not None and not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Return(None) | ast.Raise() | ast.Expr(ast.Call()):
            yield ast.Pass()
        case ast.Call(function, args, keywords):
            if len(args) > 1 and not any(isinstance(one, ast.Starred) for one in args[:2]):
                yield ast.Call(function, [args[1], args[0], *args[2:]], keywords)
            if isinstance(function, ast.Name) and function.id in _FUNCTIONS:
                yield ast.Call(ast.Name(_FUNCTIONS[function.id], ast.Load()), args, keywords)


def _text(node: ast.AST) -> str:
    """The code of a node on one line; of a statement with a body, its first line."""
    return ast.unparse(ast.fix_missing_locations(node)).strip().splitlines()[0]
