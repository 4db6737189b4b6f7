"""Fixtures: one simulation for each module, and clients of its services."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from pytest_asyncio import is_async_test

from tests.contract.site import Place, Site, running_place

SPEED = 100.0  # scenario seconds to a real one: a job of 2 s takes 20 ms
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of each module in one loop, as they share a simulation."""
    for item in items:
        if item.path.parent == _HERE and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place() -> AsyncIterator[Place]:
    async with running_place(SPEED) as place:
        yield place


@pytest.fixture
def at(place: Place) -> Iterator[Callable[[str], Site]]:
    """Return what makes a client of a service; the faults that it causes end with the test."""
    yield place.site
    for name in place.services:
        place.world.restore_script(name)
