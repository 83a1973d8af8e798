"""What every test may ask for: `async def` tests, a real PostgreSQL, and an empty database of either kind."""

import asyncio
import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import postgres as launcher


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Run an `async def` test on an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(scope="session")
def postgres() -> Iterator[launcher.External]:
    """One PostgreSQL server for all tests; ask it for a `database()` each."""
    manager = launcher.server()
    try:
        running = manager.__enter__()
    except launcher.PostgresMissing as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NOT TESTED ON POSTGRESQL: {error}")
    try:
        yield running
    finally:
        manager.__exit__(None, None, None)


@pytest.fixture
def postgres_url(postgres: launcher.External) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, removed after the test."""
    url = postgres.database()
    yield url
    postgres.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'store.db'}"
