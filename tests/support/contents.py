"""What a store holds: every row of every table, to be compared or searched."""

from typing import Any

from consentledger.store.ledger import Store

_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
    "postgresql": "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1",
}
MOVES_BY_ITSELF = frozenset({"outbox_mark"})
"""Tables that change without any call."""


async def contents(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """All rows by table, in a fixed order, but for what changes without any call."""
    names = [row[0] for row in await store.read(_TABLES[store.dialect])]
    assert {"event", "answer", "log_head"} <= set(names)
    return {n: sorted(await store.read(f"SELECT * FROM {n}"), key=repr) for n in names if n not in MOVES_BY_ITSELF}
