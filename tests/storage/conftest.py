"""Fixtures: a fresh database of either kind for each test."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest

from tallylight.clock import VirtualClock
from tallylight.storage.database import Storage, open_storage

_NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

NewDatabase = Callable[[str | None], str]
"""Makes a database, empty or copied from that of an address, and returns its address."""


@pytest.fixture(scope="session")
def new_sqlite(tmp_path_factory: pytest.TempPathFactory) -> NewDatabase:
    """Give a maker of addresses of SQLite databases, empty or copied from another."""

    def make(template: str | None) -> str:
        path = tmp_path_factory.mktemp("history") / "history.db"
        if template:
            shutil.copy(template.removeprefix("sqlite:///"), path)
        return f"sqlite:///{path}"

    return make


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest) -> NewDatabase:
    """Give a maker of addresses of databases of either kind."""
    name = "new_sqlite" if request.param == "sqlite" else "new_postgres"
    make: NewDatabase = request.getfixturevalue(name)
    return make


@pytest.fixture(scope="session")
def new_address(new_database: NewDatabase) -> Callable[[], str]:
    """Give a maker of addresses of databases with our tables, for tests with many examples."""
    template = new_database(None)

    async def prepare() -> None:
        async with open_storage(template, VirtualClock(_NOON)):
            pass

    asyncio.run(prepare())
    return lambda: new_database(template)


@pytest.fixture
def empty_address(new_database: NewDatabase) -> str:
    """Give the address of an empty database."""
    return new_database(None)


@pytest.fixture
def address(new_address: Callable[[], str]) -> str:
    """Give the address of a database with our tables."""
    return new_address()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(_NOON)


@pytest.fixture
async def history(address: str, clock: VirtualClock) -> AsyncIterator[Storage]:
    async with open_storage(address, clock) as history:
        yield history
