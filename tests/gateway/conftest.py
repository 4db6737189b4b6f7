"""Fixtures: a fresh database of either kind for each test."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tallylight.clock import VirtualClock
from tallylight.history.database import History, open_history

NewDatabase = Callable[[str | None], str]


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/history.db"
    make: NewDatabase = request.getfixturevalue("new_postgres")
    return make(None)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(datetime(2026, 11, 22, 12, tzinfo=UTC))


@pytest.fixture
async def history(address: str, clock: VirtualClock) -> AsyncIterator[History]:
    async with open_history(address, clock) as history:
        yield history
