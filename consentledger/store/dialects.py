"""All that SQLite and PostgreSQL say differently, so that the rest of the SQL can be shared.

Pure: text in, text out. The rules for shared SQL:

- Placeholders are `$1`, `$2` …; no `$` followed by a digit in a literal.
- Types are written as words in braces (`WORDS`); `text` is the same in both.
- A list of values is `among(...)`, because SQLite has no arrays.

    render("sqlite", "CREATE TABLE t (id {int} PRIMARY KEY, body {bytes}) {table}")
    -> "CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB) STRICT"
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

Dialect = Literal["sqlite", "postgresql"]

WORDS: dict[str, dict[str, str]] = {
    "sqlite": {
        "{int}": "INTEGER", "{bytes}": "BLOB", "{table}": "STRICT", "{clustered}": "STRICT, WITHOUT ROWID",
        "{shared}": "",
    },
    "postgresql": {"{int}": "bigint", "{bytes}": "bytea", "{table}": "", "{clustered}": "", "{shared}": "FOR SHARE"},
}  # fmt: skip
"""`{int}` is 64 bits; `{table}` ends a CREATE TABLE, `{clustered}` one whose rows live in their primary key; `{shared}`
ends a SELECT whose rows must not change before the transaction ends."""


def render(dialect: Dialect, sql: str) -> str:
    """`sql` with its words replaced by the dialect's."""
    for word, meaning in WORDS[dialect].items():
        sql = sql.replace(word, meaning)
    return sql


@lru_cache(maxsize=4096)
def numbered(sql: str) -> str:
    """`sql` with `$n` as SQLite's `?n`. (SQLite reads `$n` too, but binds it by order of appearance.)"""
    return re.sub(r"\$(\d)", r"?\1", sql)


def among(
    dialect: Dialect, column: str, first: int, values: Sequence[Any], kind: Literal["bytea", "text", "bigint"] = "bytea"
) -> tuple[str, list[Any]]:
    """A condition "column is one of `values`" whose first placeholder is `$first`, and its arguments.

    SQLite gets one placeholder a value, padded to a power of two by repeating the last, so that its statement cache
    sees few texts. At most 32,000 values there; none at all is a condition that is never true.
    """
    if dialect == "postgresql":
        return f"{column} = ANY(${first}::{kind}[])", [list(values)]
    if not values:
        return "1 = 0", []
    padded = [*values, *[values[-1]] * ((1 << (len(values) - 1).bit_length()) - len(values))]
    if len(padded) > 32_000:
        padded = list(values)
    return f"{column} IN ({', '.join(f'${first + n}' for n in range(len(padded)))})", padded
